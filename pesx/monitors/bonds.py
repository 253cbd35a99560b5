"""Bonds of the reference that break, and bonds that were not there, with hysteresis."""

from dataclasses import dataclass

import torch

from pesx.monitors.cause import Cause
from pesx.monitors.clashes import CLASH_FACTOR
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.fragments import CONTACT
from pesx.monitors.view import BONDED_FACTOR, BROKEN_FACTOR, Pairs, View
from pesx.typing import Float, Int, Tensor

_CLOSER_THAN_REFERENCE = 0.95
"""Close pairs of small cages lie hardly beyond 1.2 in the reference; a vibration must not bond them."""


@dataclass(frozen=True, eq=False)
class BrokenBonds:
    """A bond is broken beyond 1.5 times the sum of covalent radii, until it is back below 1.2.

    Atoms that jump out of touch altogether are not begun here: that is a fragment gone.

    Attributes:
        pairs: All pairs of the molecule.
        bonds: Numbers of the pairs to watch: all bonds but those of a hydrogen with its only neighbour.
        names: Of the atoms.
        persistence: ps.
    """

    pairs: Pairs
    bonds: Int[Tensor, "K"]
    names: tuple[str, ...]
    persistence: float

    cause = Cause.BOND_BROKEN

    @property
    def n_things(self) -> int:
        """Number of bonds."""
        return len(self.bonds)

    def signs(self, view: View) -> Signs:
        """Return where bonds break and where they are whole again."""
        bonds = self.bonds.to(view.ratio.device)
        ratio, gap = view.ratio[:, bonds], view.distance[:, bonds] - self.pairs.reach[self.bonds].to(view.distance)
        return Signs((ratio > BROKEN_FACTOR) & (gap < CONTACT), ratio < BONDED_FACTOR)

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the bond, its length, and words."""
        i, j = self.pairs.atoms[self.bonds[thing]].tolist()
        length = float(view.distance[row, self.bonds[thing]])
        return Finding((i, j), length, f"The bond {self.names[i]}-{self.names[j]} broke: {length:.2f} angstrom.")


@dataclass(frozen=True, eq=False)
class FormedBonds:
    """Two atoms that are not bonded in the reference are bonded below 1.2 times the sum of covalent radii, until beyond 1.5.

    A hydrogen that has left its own atom is watched as such, and atoms inside each other are a clash.

    Attributes:
        pairs: All pairs of the molecule.
        limit: Ratio below which each free pair is bonded.
        owners: Number of the pair that a hydrogen of each free pair makes with its own atom; two columns, and where an atom
            is no such hydrogen, the number of a bond that is looked at anyway: -1.
        names: Of the atoms.
        persistence: ps.
    """

    pairs: Pairs
    limit: Float[Tensor, "Q"]
    owners: Int[Tensor, "Q 2"]
    names: tuple[str, ...]
    persistence: float

    cause = Cause.BOND_FORMED

    @property
    def n_things(self) -> int:
        """Number of pairs that are not bonded."""
        return len(self.limit)

    def signs(self, view: View) -> Signs:
        """Return where bonds form and where they are gone again."""
        ratio = view.ratio.index_select(1, self.pairs.free.to(view.ratio.device))
        near = ratio < self.limit.to(ratio)
        rows = near.any(dim=1).nonzero()[:, 0]
        if len(rows):  # rare; so only these rows pay for a look at the hydrogens
            owners = self.owners.to(ratio.device)
            is_away = torch.zeros_like(near[rows])
            for column in range(2):
                own = view.ratio[rows][:, owners[:, column].clamp(min=0)]
                is_away |= (own > BONDED_FACTOR) & (owners[:, column] >= 0)
            near[rows] &= ~is_away & (ratio[rows] >= CLASH_FACTOR)
        return Signs(near, ratio > BROKEN_FACTOR)

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the two atoms, their distance, and words."""
        pair = self.pairs.free[thing]
        i, j = self.pairs.atoms[pair].tolist()
        length = float(view.distance[row, pair])
        return Finding((i, j), length, f"{self.names[i]} and {self.names[j]} bonded: {length:.2f} angstrom.")


def formation_limits(reference: Float[Tensor, "P"], pairs: Pairs) -> Float[Tensor, "Q"]:
    """Return the ratio below which each free pair counts as bonded, given the ratios of the reference geometry."""
    return torch.clamp(_CLOSER_THAN_REFERENCE * reference[pairs.free], max=BONDED_FACTOR)


__all__ = ["BrokenBonds", "FormedBonds", "formation_limits"]
