"""What all definitions look at: distances, worked out once, and what a frame says beside its positions."""

from dataclasses import dataclass
from functools import cached_property

import torch

from pesx.chemistry.perceive import radii
from pesx.molecule import Molecule
from pesx.typing import Float, Int, Mask, PerReplica, Positions, Tensor

BROKEN_FACTOR = 1.5
"""A bond is broken beyond this times the sum of covalent radii; as where minima are judged (``pesx.guards``)."""

BONDED_FACTOR = 1.2
"""Below this times the sum of covalent radii two atoms are bonded, and a broken bond is whole again."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of atoms of a molecule.

    Attributes:
        atoms: (i, j) with i < j, in order.
        reach: Sum of covalent radii of each pair, angstrom.
        bonded: Numbers of the pairs that are bonded in the reference.
        free: Numbers of all the others.
        number: Number of the pair of any two atoms; of an atom with itself 0.
    """

    atoms: Int[Tensor, "P 2"]
    reach: Float[Tensor, "P"]
    bonded: Int[Tensor, "M"]
    free: Int[Tensor, "Q"]
    number: Int[Tensor, "N N"]


@dataclass(frozen=True, eq=False)
class View:
    """Rows to judge, each by itself: replicas at one time, or successive times of one replica.

    Attributes:
        positions: Angstrom.
        pairs: Of the molecule.
        temperature: Kinetic temperature, K; NaN where unknown.
        target: Of the thermostat, K; NaN where there is none.
        drift: Of the total energy so far, meV per atom and ps; NaN where unknown.
        uncertainty: Of the energy, eV; NaN where unknown.
        is_finite: Whether all that is known of the row is finite.
    """

    positions: Positions
    pairs: Pairs
    temperature: PerReplica
    target: PerReplica
    drift: PerReplica
    uncertainty: PerReplica
    is_finite: Mask

    @cached_property
    def distance(self) -> Float[Tensor, "B P"]:
        """Of each pair, angstrom."""
        return distances(self.positions, self.pairs)

    @cached_property
    def ratio(self) -> Float[Tensor, "B P"]:
        """Distance over the sum of covalent radii of each pair."""
        return self.distance / self.pairs.reach.to(self.distance)


def all_pairs(molecule: Molecule) -> Pairs:
    """Return the pairs of a molecule, those of the bond graph apart from the others."""
    n_atoms = molecule.n_atoms
    atoms = torch.triu_indices(n_atoms, n_atoms, offset=1).T.contiguous()
    number = torch.zeros(n_atoms, n_atoms, dtype=torch.int64)
    number[atoms[:, 0], atoms[:, 1]] = torch.arange(len(atoms))
    number = number + number.T
    is_bonded = torch.zeros(len(atoms), dtype=torch.bool)
    is_bonded[number[molecule.bonds[:, 0], molecule.bonds[:, 1]]] = len(molecule.bonds) > 0
    radius = radii(molecule.numbers)
    reach = radius[atoms].sum(dim=1)
    return Pairs(atoms, reach, is_bonded.nonzero()[:, 0], (~is_bonded).nonzero()[:, 0], number)


def distances(positions: Positions, pairs: Pairs) -> Float[Tensor, "B P"]:
    """Return the distance of each pair, angstrom; row by row the same alone and in any batch.

    The difference is squared as it is: the shorter way over scalar products loses all digits far from the origin.
    """
    square = torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist")
    flat = (pairs.atoms[:, 0] * positions.shape[1] + pairs.atoms[:, 1]).to(positions.device)
    return square.flatten(1).index_select(1, flat)


__all__ = ["BONDED_FACTOR", "BROKEN_FACTOR", "Pairs", "View", "all_pairs", "distances"]
