"""Atoms inside each other."""

from dataclasses import dataclass

from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import Pairs, View

CLASH_FACTOR = 0.6
"""Two atoms, bonded or not, are inside each other below this times the sum of covalent radii: C-H 0.64, C-C 0.91, H-H 0.37
angstrom. A C-H bond needs some 10 eV to get there."""


@dataclass(frozen=True, eq=False)
class Clashes:
    """Any two atoms closer than 0.6 times the sum of their covalent radii; told at once.

    Attributes:
        pairs: All pairs of the molecule.
        names: Of the atoms.
    """

    pairs: Pairs
    names: tuple[str, ...]

    cause = Cause.CLASH
    persistence = 0.0
    n_things = 1

    def signs(self, view: View) -> Signs:
        """Return where any two atoms are that close."""
        is_near = (view.ratio < CLASH_FACTOR).any(dim=1, keepdim=True)
        return Signs(is_near, ~is_near & view.is_finite[:, None])

    def find(self, view: View, row: int, thing: int) -> Finding:  # noqa: ARG002
        """Return the closest pair, its distance, and words."""
        pair = int(view.ratio[row].argmin())
        i, j = self.pairs.atoms[pair].tolist()
        length = float(view.distance[row, pair])
        return Finding(
            (i, j), length, f"{self.names[i]} and {self.names[j]} are inside each other: {length:.2f} angstrom."
        )


__all__ = ["CLASH_FACTOR", "Clashes"]
