"""Sensible settings: which parts suit a molecule, and which a cluster or a test surface in reduced units."""

from functools import partial

import torch
from ase.data import vdw_radii

from pesx.chemistry.perceive import perceive
from pesx.connect.alignment import PathAlignment
from pesx.connect.around import Around
from pesx.connect.parts import Parts
from pesx.geometry.interpolate import by_distances, by_torsions, straight
from pesx.guards.molecular import Amides
from pesx.identity.cluster import ClusterIdentity
from pesx.identity.molecular import Mirror
from pesx.identity.surface import SurfaceIdentity
from pesx.landscape.rules import cluster_sieve, molecular_sieve, surface_sieve
from pesx.molecule import Molecule
from pesx.protocols import Potential
from pesx.relax.fire import Fire
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.modes import hessian, modes
from pesx.relax.quench import Convergence, quench
from pesx.relax.two_stage import molecular_stages, reduced_stages
from pesx.saddles.band import Band
from pesx.saddles.follow import Follow
from pesx.saddles.slide import Slide
from pesx.typing import Float, Tensor

N_IMAGES = 9
"""Between the ends of a band."""

_IN_THE_PLANE = Convergence(fmax=0.1, max_steps=100, max_radius=20.0)
"""Of clusters that were pressed flat; those that take longer start from where they are."""

_TOUCH = 0.75
"""Share of the sum of van der Waals radii below which two atoms are too close: 1.8 angstrom for two hydrogens."""


def contacts(molecule: Molecule) -> Float[Tensor, "N N"]:
    """Return the distances below which two atoms are too close, 0 for those within three bonds of each other, angstrom."""
    radius = torch.tensor(vdw_radii)[molecule.numbers].nan_to_num(nan=2.0)
    is_bonded = torch.eye(molecule.n_atoms, dtype=torch.float64)
    is_bonded[molecule.bonds[:, 0], molecule.bonds[:, 1]] = is_bonded[molecule.bonds[:, 1], molecule.bonds[:, 0]] = 1.0
    is_near = torch.linalg.matrix_power(is_bonded, 3) > 0.0
    return (_TOUCH * (radius[:, None] + radius)).masked_fill(is_near, 0.0)


def molecule_parts(
    potential: Potential, molecule: Molecule, *, mirror: Mirror, amides: Amides, energy_window: float
) -> Parts:
    """Return what it takes to join minima of a molecule with bonds.

    Args:
        potential: Bound to the molecule, eV and angstrom.
        molecule: With bonds.
        mirror: Whether mirror images are the same minimum.
        amides: Whether amides must keep their cis or trans form.
        energy_window: eV.
    """
    topology = perceive(molecule)
    metric = ModelHessian(molecule, floor=0.1)
    # Amides turn too: a straight line from cis to trans goes through the nitrogen.
    rotors = topology.torsions, topology.amide_rotors, topology.methyls
    bonds, moving, quads = (
        torch.cat([getattr(some, name) for some in rotors]) for name in ("bonds", "moving", "quads")
    )
    path = partial(by_distances, n_images=N_IMAGES)
    if len(bonds):
        path = partial(
            by_torsions, n_images=N_IMAGES, bonds=bonds, moving=moving, quads=quads, contacts=contacts(molecule)
        )
    # Soft torsions are what a search between conformers climbs; the floor of the metric would hide them.
    guess = ModelHessian(molecule, floor=0.01)
    return Parts(
        potential=potential,
        aligned=PathAlignment(molecule, mirror),
        path=path,
        band=Band(Slide(metric), fmax=0.1, max_steps=6),
        rough=Follow(guess=guess, fmax=1e-2),
        exact=Follow(guess=guess, fmax=1e-4, jitter=0.0),
        limits=Convergence(max_steps=200),
        relaxation=molecular_stages(molecule),
        push=0.1,
        sieve=molecular_sieve(molecule, amides, energy_window),
        highest=2.0,
        modes=partial(modes, potential, masses=molecule.masses, tolerance=1e-4),
    )


def cluster_parts(potential: Potential, molecule: Molecule, *, mirror: Mirror, energy_window: float) -> Parts:
    """Return what it takes to join minima of a cluster of atoms in reduced units.

    Args:
        potential: In units of its well depth and length.
        molecule: Without bonds.
        mirror: Whether mirror images are the same minimum.
        energy_window: Well depths.
    """
    relaxation = reduced_stages(500.0)
    return Parts(
        potential=potential,
        aligned=ClusterIdentity(molecule.numbers, mirror=mirror).aligned,
        path=partial(by_distances, n_images=N_IMAGES),
        band=Band(Fire(), fmax=0.5, max_steps=25),
        rough=Follow(stiffness=500.0, fmax=1e-2),
        exact=Follow(stiffness=500.0, fmax=1e-8, jitter=0.0),
        limits=Convergence(max_steps=300, max_radius=20.0),
        relaxation=relaxation,
        push=0.05,
        # The highest transition states lie two well depths above the others, far from any minimum.
        around=Around(
            reach=4.0,
            each=100,
            relax=partial(quench, relaxation.rough, potential, convergence=_IN_THE_PLANE),
        ),
        sieve=cluster_sieve(energy_window),
        modes=partial(modes, potential, tolerance=1e-6),
        second=partial(hessian, potential),
    )


def surface_parts(potential: Potential) -> Parts:
    """Return what it takes to join minima of the Müller-Brown surface.

    Args:
        potential: Of one atom in the plane.
    """
    plane = (0, 1)
    follow = partial(Follow, coordinates=plane, stiffness=2000.0)
    return Parts(
        potential=potential,
        aligned=SurfaceIdentity().aligned,
        path=partial(straight, n_images=N_IMAGES),
        band=Band(Fire(), fmax=5.0, max_steps=40),
        rough=follow(fmax=1e-1),
        exact=follow(fmax=1e-6, jitter=0.0),
        limits=Convergence(max_steps=300),
        relaxation=reduced_stages(2000.0),
        push=0.05,
        sieve=surface_sieve(),
        modes=partial(modes, potential, coordinates=torch.tensor(plane), is_free=False, tolerance=1e-6),
        around=Around(is_free_to_move=torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)),
    )
