"""Pieces that drift away."""

from dataclasses import dataclass

import networkx as nx
import torch

from pesx.molecule import Molecule, hill_formula
from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import BROKEN_FACTOR, Pairs, View

CONTACT = 2.5
"""Atoms further apart than their covalent radii and this, angstrom, no longer touch. It is 1.2 times the sum of van der Waals
radii: for C and C 4.0 angstrom, for H and H 3.1 (Alvarez 2013, doi:10.1039/c3dt50599e)."""


@dataclass(frozen=True, eq=False)
class Fragments:
    """The molecule is in pieces that do not touch, at least two of them with a heavy atom, until all touch again.

    Attributes:
        molecule: With its bonds.
        pairs: Its pairs.
        persistence: ps.
    """

    molecule: Molecule
    pairs: Pairs
    persistence: float

    cause = Cause.FRAGMENTED
    n_things = 1

    def signs(self, view: View) -> Signs:
        """Return where the molecule is in pieces and where it is in one."""
        ratio = view.ratio.index_select(1, self.pairs.bonded.to(view.ratio.device))
        # Only what lost a bond can have fallen apart; and a NaN is told as such.
        in_pieces = (ratio > BROKEN_FACTOR).any(dim=1) & view.is_finite
        for row in in_pieces.nonzero()[:, 0].tolist():
            in_pieces[row] = len(self._pieces(view, row)) > 1
        return Signs(in_pieces[:, None], (~in_pieces & view.is_finite)[:, None])

    def find(self, view: View, row: int, thing: int) -> Finding:  # noqa: ARG002
        """Return the smallest piece, how far it is from the nearest other atom, and words."""
        piece = min(self._pieces(view, row), key=len)
        rest = [atom for atom in range(self.molecule.n_atoms) if atom not in set(piece)]
        gap = float(torch.cdist(view.positions[row, piece], view.positions[row, rest]).min())
        formula = hill_formula([self.molecule.symbols[atom] for atom in piece])
        return Finding(tuple(piece), gap, f"The piece {formula} is {gap:.1f} angstrom away from the rest.")

    def _pieces(self, view: View, row: int) -> list[list[int]]:
        """Return the atoms of each piece that has a heavy atom."""
        touches = view.distance[row].cpu() - self.pairs.reach < CONTACT
        graph: nx.Graph[int] = nx.Graph(self.pairs.atoms[touches].tolist())
        graph.add_nodes_from(range(self.molecule.n_atoms))
        is_heavy = (self.molecule.numbers > 1).tolist()
        pieces = [sorted(piece) for piece in nx.connected_components(graph)]
        return [piece for piece in pieces if any(is_heavy[atom] for atom in piece)]


__all__ = ["CONTACT", "Fragments"]
