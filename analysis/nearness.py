"""How far structures are from the nearest of many frames: by torsions, by RMSD, and in the features of a model."""

from math import inf, pi, sqrt

import torch

from pesx.chemistry.perceive import perceive
from pesx.chemistry.symmetry import heavy_automorphisms, hydrogen_groups
from pesx.geometry.torsion import torsion_angles
from pesx.identity.molecular import MolecularIdentity
from pesx.labelling.select import features
from pesx.labelling.tasks import TaskMolecule
from pesx.molecule import Molecule
from pesx.so3krates.model import So3krates
from pesx.typing import Float, PerReplica, Positions, Tensor

_BLOCK = 64
"""Frames compared at once; the nearest is mostly among the first few that the bound leaves."""


def torsion_distances(molecule: Molecule, structures: Positions, frames: Positions, *, mirror: str) -> PerReplica:
    """Return the distance to the nearest frame by torsions, degree.

    Two structures are as far apart as the torsion that differs most, out of those about rotatable bonds and amides. Atoms
    that the bond graph exchanges are alike; hydrogens at the end of a torsion are taken to be evenly spaced about it.

    Args:
        molecule: With bonds.
        structures: Angstrom.
        frames: Angstrom, at least one.
        mirror: ``merge`` where mirror images are alike.
    """
    topology = perceive(molecule)
    quads = torch.cat([topology.torsions.quads, topology.amide_rotors.quads])
    if not len(quads):
        return structures.new_zeros(len(structures), dtype=torch.float64)
    period = _periods(molecule, quads)
    others = torsion_angles(frames.double(), quads)
    orders = heavy_automorphisms(molecule)
    nearest = []
    for structure in structures.double():
        angles = torsion_angles(structure[orders], quads)
        if mirror == "merge":
            angles = torch.cat([angles, -angles])
        least = torch.full((len(frames),), inf, dtype=torch.float64)
        for image in angles:
            difference = image - others
            difference = (difference - period * (difference / period).round()).abs()
            least = torch.minimum(least, difference.amax(dim=1))
        nearest.append(least.min())
    return torch.stack(nearest).rad2deg()


def rmsd_distances(molecule: Molecule, structures: Positions, frames: Positions, *, mirror: str) -> PerReplica:
    """Return the least RMSD to a frame over rotations and the exchanges that the bond graph allows, angstrom.

    Sorted distances bound it from below; frames are compared in the order of that bound until none left can be nearer.

    Args:
        molecule: With bonds.
        structures: Angstrom.
        frames: Angstrom, at least one.
        mirror: ``merge`` where mirror images are alike.
    """
    identity = MolecularIdentity(molecule, mirror=mirror)
    known = _fingerprints(identity, frames)
    n_atoms = molecule.n_atoms
    # A little less than the bound, because fingerprints are float32 here.
    scale = (1 - 1e-5) * sqrt((n_atoms - 1) / (2 * n_atoms * known.shape[1])) if n_atoms > 1 else 0.0
    nearest = []
    for structure in structures.double():
        own = _fingerprints(identity, structure[None])
        bound, order = (scale * torch.linalg.vector_norm(known - own, dim=1).double()).sort()
        least = inf
        for start in range(0, len(order), _BLOCK):
            if bound[start] >= least:
                break
            rows = order[start : start + _BLOCK]
            rows = rows[bound[start : start + _BLOCK] < least]
            target = structure.expand(len(rows), -1, -1)
            least = min(least, float(identity.distance(frames[rows].double(), target).min()))
        nearest.append(least)
    return torch.tensor(nearest, dtype=torch.float64)


def feature_distances(network: So3krates, molecule: Molecule, structures: Positions, frames: Positions) -> PerReplica:
    """Return the distance to the nearest frame in the features by which structures are chosen for labels.

    Args:
        network: The model.
        molecule: What they are structures of.
        structures: Angstrom.
        frames: Angstrom, at least one.
    """
    what = TaskMolecule(
        name=molecule.name or molecule.formula,
        numbers=tuple(molecule.numbers.tolist()),
        charge=molecule.charge,
        multiplicity=molecule.multiplicity,
        smiles="",
    )
    own, others = (torch.from_numpy(features(network, what, one.numpy())) for one in (structures, frames))
    return torch.stack([torch.linalg.vector_norm(others - row, dim=1).min() for row in own])


def _periods(molecule: Molecule, quads: Tensor) -> Float[Tensor, "T"]:
    """Return after which turn each torsion looks as before, radian."""
    group_size = {atom: len(group) for group in hydrogen_groups(molecule) for atom in group}
    turns = [max(group_size.get(first, 1), group_size.get(last, 1)) for first, _, _, last in quads.tolist()]
    return 2 * pi / torch.tensor(turns, dtype=torch.float64)


def _fingerprints(identity: MolecularIdentity, positions: Positions) -> Float[Tensor, "B F"]:
    """Return sorted distances, float32: of a large data set they are the largest thing in memory."""
    pieces = torch.split(positions.double(), 1024)
    return torch.cat([identity.fingerprint(piece).float() for piece in pieces])


__all__ = ["feature_distances", "rmsd_distances", "torsion_distances"]
