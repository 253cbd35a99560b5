"""Amides and double bonds that change between cis and trans."""

from dataclasses import dataclass

import torch

from pesx.chemistry.perceive import CIS, TRANS, TWISTED, classify_torsions
from pesx.geometry.torsion import torsion_angles
from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import View
from pesx.typing import Int, Tensor


@dataclass(frozen=True, eq=False)
class CisTrans:
    """A bond has changed when its torsion, below 60 or above 120 degrees, is in the class it was not in, until it is back.

    Between the two it is twisted, which amides are in passing at high temperature. Bonds that are twisted in the reference
    are not watched.

    Attributes:
        cause: What a change is.
        what: The kind of bond, in words.
        quads: Torsions about the bonds.
        classes: TRANS or CIS of each in the reference.
        names: Of the atoms.
        persistence: ps.
    """

    cause: Cause
    what: str
    quads: Int[Tensor, "K 4"]
    classes: Int[Tensor, "K"]
    names: tuple[str, ...]
    persistence: float

    @classmethod
    def watching(
        cls,
        cause: Cause,
        what: str,
        quads: Int[Tensor, "A 4"],
        classes: Int[Tensor, "A"],
        *,
        names: tuple[str, ...],
        persistence: float,
    ) -> "CisTrans":
        """Return the monitor of those torsions that are cis or trans in the reference."""
        is_clear = classes != TWISTED
        return cls(cause, what, quads[is_clear], classes[is_clear], names, persistence)

    @property
    def n_things(self) -> int:
        """Number of bonds."""
        return len(self.quads)

    def signs(self, view: View) -> Signs:
        """Return where bonds are cis that were trans, or the other way round, and where they are what they were."""
        now = classify_torsions(torsion_angles(view.positions, self.quads.to(view.positions.device)))
        start = self.classes.to(now.device)
        return Signs(now + start == CIS + TRANS, (now == start) & view.is_finite[:, None])

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the bond, its torsion in degree, and words."""
        quad = self.quads[thing : thing + 1]
        degree = float(torsion_angles(view.positions[row : row + 1], quad.to(view.positions.device)).rad2deg()[0, 0])
        i, j = int(quad[0, 1]), int(quad[0, 2])
        form = "cis" if bool(classify_torsions(torch.tensor(degree).deg2rad()) == CIS) else "trans"
        sentence = f"The {self.what} {self.names[i]}-{self.names[j]} went {form}: {degree:.0f} degrees."
        return Finding((i, j), degree, sentence)


__all__ = ["CisTrans"]
