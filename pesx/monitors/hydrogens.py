"""Hydrogens that leave their atoms: lost, or transferred to another atom."""

from dataclasses import dataclass

import torch

from pesx.molecule import Molecule
from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import BONDED_FACTOR, BROKEN_FACTOR, Pairs, View
from pesx.typing import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Hydrogens:
    """The hydrogens of a molecule that are bonded to one atom.

    Attributes:
        pairs: All pairs of the molecule.
        atoms: The hydrogens.
        owners: The atom of each.
        bonds: Number of the pair of each hydrogen with its atom.
        others: Numbers of the pairs of each hydrogen with all other atoms.
        names: Of the atoms.
        persistence: ps.
    """

    pairs: Pairs
    atoms: Int[Tensor, "K"]
    owners: Int[Tensor, "K"]
    bonds: Int[Tensor, "K"]
    others: Int[Tensor, "K R"]
    names: tuple[str, ...]
    persistence: float

    @property
    def n_things(self) -> int:
        """Number of hydrogens."""
        return len(self.atoms)

    def ratios(self, view: View) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """Return the ratios of each hydrogen to its own and to the nearest other atom.

        The second is infinite in rows where every hydrogen is at its own atom, so nobody asks for it there.
        """
        own = view.ratio[:, self.bonds.to(view.ratio.device)]
        other = torch.full_like(own, torch.inf)
        rows = (own > BONDED_FACTOR).any(dim=1).nonzero()[:, 0]
        if len(rows) and self.others.shape[1]:
            other[rows] = view.ratio[rows][:, self.others.to(own.device)].amin(dim=-1)
        return own, other


class LostHydrogens(Hydrogens):
    """A hydrogen beyond 1.5 times the radii from its atom and bonded to no other is lost, until it is bonded again."""

    cause = Cause.HYDROGEN_LOST

    def signs(self, view: View) -> Signs:
        """Return where hydrogens are lost and where they are bonded again."""
        own, other = self.ratios(view)
        return Signs((own > BROKEN_FACTOR) & (other >= BONDED_FACTOR), (own < BONDED_FACTOR) | (other < BONDED_FACTOR))

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the hydrogen and its atom, their distance, and words."""
        atom, owner = int(self.atoms[thing]), int(self.owners[thing])
        length = float(view.distance[row, self.bonds[thing]])
        return Finding(
            (atom, owner), length, f"{self.names[atom]} left {self.names[owner]}: it is {length:.2f} angstrom away."
        )


class TransferredProtons(Hydrogens):
    """A hydrogen below 1.2 times the radii from another atom and beyond that from its own is transferred, until it is back."""

    cause = Cause.PROTON_TRANSFERRED

    def signs(self, view: View) -> Signs:
        """Return where hydrogens are at another atom and where they are back at their own."""
        own, other = self.ratios(view)
        return Signs((own > BONDED_FACTOR) & (other < BONDED_FACTOR), own < BONDED_FACTOR)

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the hydrogen, its atom and the new one, the distance to that, and words."""
        atom, owner = int(self.atoms[thing]), int(self.owners[thing])
        pair = self.others[thing][int(view.ratio[row].cpu()[self.others[thing]].argmin())]
        taker = int(self.pairs.atoms[pair].sum()) - atom
        length = float(view.distance[row, pair])
        names = self.names
        sentence = f"{names[atom]} went from {names[owner]} to {names[taker]}, {length:.2f} angstrom away."
        return Finding((atom, owner, taker), length, sentence)


def terminal_hydrogens(molecule: Molecule) -> tuple[Int[Tensor, "K"], Int[Tensor, "K"]]:
    """Return the hydrogens that are bonded to exactly one atom, and those atoms."""
    degree = torch.bincount(molecule.bonds.flatten(), minlength=molecule.n_atoms)
    found = []
    for i, j in molecule.bonds.tolist():
        # Of H2 only one is a hydrogen with an atom, so that it breaks once.
        for atom, owner in ((i, j), (j, i)):
            if int(molecule.numbers[atom]) == 1 and int(degree[atom]) == 1:
                found.append((atom, owner))
                break
    rows = torch.tensor(sorted(found), dtype=torch.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


__all__ = ["Hydrogens", "LostHydrogens", "TransferredProtons", "terminal_hydrogens"]
