"""Sensible settings: which parts suit a molecule, and which a cluster or a test surface in reduced units."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Literal

import torch

from pesx.chemistry.embed import embed
from pesx.chemistry.perceive import Topology, perceive
from pesx.errors import MoleculeError
from pesx.explore.basin_hopping import BasinHopping
from pesx.explore.bench import Stages
from pesx.explore.escape import Escape
from pesx.explore.exploration import Parts
from pesx.explore.minima_hopping import MinimaHopping
from pesx.explore.mixed import Mixed
from pesx.explore.relocate import Relocate
from pesx.explore.seeds import Conformers, RandomSphere
from pesx.explore.walkers import Explorer
from pesx.guards.molecular import Amides
from pesx.identity.molecular import Mirror
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.rules import (
    cluster_archive,
    cluster_sieve,
    molecular_archive,
    molecular_sieve,
    surface_archive,
    surface_sieve,
)
from pesx.landscape.sieve import Sieve
from pesx.molecule import Molecule
from pesx.moves.choice import Choice
from pesx.moves.crossover import Crossover
from pesx.moves.displace import Displace
from pesx.moves.resite import Resite
from pesx.moves.torsion import Twist
from pesx.protocols import Move, Potential
from pesx.relax.davidson import HasProducts, lowest_modes
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.modes import modes
from pesx.relax.two_stage import molecular_stages, reduced_stages
from pesx.units import BOLTZMANN

Method = Literal["mixed", "basin-hopping", "minima-hopping"]

_PAIR_DISTANCE = 2 ** (1 / 6)
"""Where the Lennard-Jones pair energy is lowest, sigma."""


@dataclass(frozen=True)
class Scales:
    """The energies of a kind of system, in its unit of energy (eV, or the well depth).

    Attributes:
        metropolis: Temperature of basin hopping, kT.
        escape: First temperature of escapes, kT.
        escape_range: Bounds of it.
        threshold: First rise that minima hopping accepts.
        threshold_range: Bounds of it.
    """

    metropolis: float
    escape: float
    escape_range: tuple[float, float]
    threshold: float
    threshold_range: tuple[float, float]


MOLECULAR = Scales(
    metropolis=700 * BOLTZMANN,
    escape=500 * BOLTZMANN,
    escape_range=(150 * BOLTZMANN, 2000 * BOLTZMANN),
    threshold=0.1,
    threshold_range=(0.02, 0.6),
)
REDUCED = Scales(metropolis=0.8, escape=0.3, escape_range=(0.03, 1.5), threshold=0.8, threshold_range=(0.1, 6.0))


def choose_explorer(method: Method, moves: Sequence[Move | None], scales: Scales, *, ladder: float = 1.0) -> Explorer:
    """Return basin hopping, minima hopping, or both, with three walkers of four for basin hopping, whose hops cost less.

    Args:
        method: Which.
        moves: The moves; None stands for the escape, which must be among them.
        scales: Temperatures.
        ladder: See :class:`BasinHopping`.
    """
    basin = BasinHopping(moves=moves, kT=scales.metropolis, escape_kT=scales.escape, ladder=ladder)
    minima = MinimaHopping(
        kT=scales.escape,
        kT_min=scales.escape_range[0],
        kT_max=scales.escape_range[1],
        threshold=scales.threshold,
        threshold_min=scales.threshold_range[0],
        threshold_max=scales.threshold_range[1],
        escape=list(moves).index(None),
    )
    explorers: dict[Method, Explorer] = {
        "basin-hopping": basin,
        "minima-hopping": minima,
        "mixed": Mixed((basin, basin, basin, minima)),
    }
    return explorers[method]


def molecule_parts(
    potential: Potential,
    molecule: Molecule,
    *,
    method: Method = "mixed",
    mirror: Mirror = "distinct",
    amides: Amides = "keep",
    energy_window: float = inf,
    n_seeds: int = 32,
    seed: int = 0,
    ladder: float = 1.0,
) -> tuple[Parts, MinimaArchive]:
    """Return what it takes to explore a molecule with bonds, and its empty archive.

    Args:
        potential: Bound to the molecule, eV and angstrom.
        molecule: With bonds.
        method: How to explore.
        mirror: Whether mirror images are the same minimum.
        amides: Whether amides must keep their cis or trans form.
        energy_window: eV.
        n_seeds: Embedded conformers to start from, beside the input.
        seed: Of the embedding.
        ladder: See :class:`BasinHopping`.
    """
    topology = perceive(molecule)
    archive = molecular_archive(molecule, mirror)
    moves, names = _molecular_moves(topology, archive, amides)
    parts = Parts(
        stages=molecule_stages(potential, molecule),
        explorer=choose_explorer(method, moves, MOLECULAR, ladder=ladder),
        moves=names,
        seeds=Conformers(_conformers(molecule, n_seeds, seed, amides), moves[0] or Displace()),
        sieve=molecular_sieve(molecule, amides, energy_window),
        choice=Choice(),
        relocate=Relocate(),
    )
    return parts, archive


def molecule_stages(potential: Potential, molecule: Molecule) -> Stages:
    """Return what happens to the hops of a molecule with bonds."""
    if isinstance(potential, HasProducts):
        # The cheapest way to the index of a stationary point that a potential can have.
        modes_of = partial(lowest_modes, potential, guess=ModelHessian(molecule), masses=molecule.masses)
    else:
        modes_of = partial(modes, potential, masses=molecule.masses, tolerance=0.0)
    return Stages(potential, Escape(), molecular_stages(molecule), modes_of)


def cluster_stages(potential: Potential) -> Stages:
    """Return what happens to the hops of a cluster of atoms in reduced units."""
    return Stages(potential, Escape(displacement=0.01), reduced_stages(500.0), partial(modes, potential, tolerance=0.0))


def surface_stages(potential: Potential) -> Stages:
    """Return what happens to the hops of an atom on the Müller-Brown surface."""
    plane = torch.tensor([0, 1])
    modes_of = partial(modes, potential, coordinates=plane, is_free=False, tolerance=0.0)
    return Stages(potential, Escape(displacement=0.01), reduced_stages(2000.0), modes_of)


def cluster_parts(
    potential: Potential,
    molecule: Molecule,
    *,
    method: Method = "mixed",
    mirror: Mirror = "distinct",
    energy_window: float = inf,
    ladder: float = 1.0,
) -> tuple[Parts, MinimaArchive]:
    """Return what it takes to explore a cluster of atoms in reduced units, and its empty archive.

    Args:
        potential: In units of its well depth and length.
        molecule: Without bonds.
        method: How to explore.
        mirror: Whether mirror images are the same minimum.
        energy_window: Well depths.
        ladder: See :class:`BasinHopping`.
    """
    moves: list[Move | None] = [Displace(0.4), None]
    names = ["displace", "escape"]
    if molecule.n_atoms > 4:
        moves.insert(1, Resite(_PAIR_DISTANCE))
        names.insert(1, "resite")
    return _reduced_parts(
        cluster_stages(potential),
        cluster_archive(molecule, mirror),
        cluster_sieve(energy_window),
        explorer=choose_explorer(method, moves, REDUCED, ladder=ladder),
        names=tuple(names),
        seeds=RandomSphere(molecule.n_atoms, _PAIR_DISTANCE),
    )


def surface_parts(potential: Potential, *, method: Method = "mixed") -> tuple[Parts, MinimaArchive]:
    """Return what it takes to explore the Müller-Brown surface, and its empty archive.

    Args:
        potential: Of one atom in the plane.
        method: How to explore.
    """
    # The surface is some hundred units deep, a thousand times a molecule's; so are the temperatures.
    scales = Scales(20.0, 20.0, (2.0, 200.0), 50.0, (5.0, 500.0))
    return _reduced_parts(
        surface_stages(potential),
        surface_archive(),
        surface_sieve(),
        explorer=choose_explorer(method, [Displace(0.8), None], scales),
        names=("displace", "escape"),
        seeds=RandomSphere(1),
    )


def _reduced_parts(
    stages: Stages,
    archive: MinimaArchive,
    sieve: Sieve,
    *,
    explorer: Explorer,
    names: tuple[str, ...],
    seeds: RandomSphere,
) -> tuple[Parts, MinimaArchive]:
    parts = Parts(
        stages=stages,
        explorer=explorer,
        moves=names,
        seeds=seeds,
        sieve=sieve,
        choice=Choice(),
        relocate=Relocate(),
    )
    return parts, archive


def _molecular_moves(
    topology: Topology, archive: MinimaArchive, amides: Amides
) -> tuple[list[Move | None], tuple[str, ...]]:
    """Return the moves that a molecule has, the escape (None) last, and their names."""
    rotors = topology.torsions
    moves: list[Move | None] = [Displace(0.3)]
    names = ["displace"]
    if len(rotors.bonds):
        moves += [Twist(rotors.bonds, rotors.moving), Crossover(rotors.quads, rotors.moving, archive)]
        names += ["torsion", "crossover"]
    if amides == "allow" and len(topology.amide_rotors.bonds):
        moves.append(Twist(topology.amide_rotors.bonds, topology.amide_rotors.moving, n_bonds=1.0))
        names.append("amide")
    return [*moves, None], (*names, "escape")


def _conformers(molecule: Molecule, n_seeds: int, seed: int, amides: Amides) -> torch.Tensor:
    """Return the input geometry and embedded conformers; the input alone where the molecule cannot be embedded."""
    start = molecule.positions[None]
    if n_seeds < 1:
        return start
    try:
        conformers = embed(molecule, n_seeds, seed)
        if amides == "allow":
            # Every other one with turned amides, so that both kinds have their walkers from the start.
            conformers[1::2] = embed(molecule, n_seeds, seed, cis_amides=True)[1::2]
        return torch.cat([start, conformers])
    except MoleculeError:
        return start
