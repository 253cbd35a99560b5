"""Amides that flip between trans and cis."""

from dataclasses import dataclass

from pesx.monitors.cause import Cause
from pesx.monitors.centres import has_switched, switched
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import View
from pesx.typing import Int, Tensor


@dataclass(frozen=True, eq=False)
class Amides:
    """An amide has flipped when omega, below 60 or above 120 degrees, is in the class it was not in, until it is back.

    Between the two it is twisted, which at high temperature happens in passing.

    Attributes:
        quads: Omega torsions.
        classes: TRANS or CIS of each in the reference; a twisted one is not watched.
        names: Of the atoms.
        persistence: ps.
    """

    quads: Int[Tensor, "K 4"]
    classes: Int[Tensor, "K"]
    names: tuple[str, ...]
    persistence: float

    cause = Cause.AMIDE_FLIPPED

    @property
    def n_things(self) -> int:
        """Number of amides."""
        return len(self.quads)

    def signs(self, view: View) -> Signs:
        """Return where amides flip and where they are back."""
        return has_switched(view, self.quads, self.classes)

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the amide bond, omega in degree, and words."""
        return switched(view, row, self.quads[thing], names=self.names, what="amide")


__all__ = ["Amides"]
