"""Stereocentres that invert."""

from dataclasses import dataclass

from pesx.geometry.torsion import triple_products
from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import BROKEN_FACTOR, Pairs, View
from pesx.typing import Float, Int, Tensor

DEAD_ZONE = 0.1
"""Triple products smaller than this (of 0.77 in an ideal tetrahedron) have no handedness, as in ``pesx.guards``."""


@dataclass(frozen=True, eq=False)
class Centres:
    """A centre is inverted when its triple product has the other sign beyond a dead zone, until it is back beyond it.

    A centre that has lost a bond has no handedness; what it lost is told elsewhere.

    Attributes:
        pairs: All pairs of the molecule.
        quads: Each centre with three of its neighbours.
        handedness: Sign of the triple product in the reference.
        names: Of the atoms.
        persistence: ps.
    """

    pairs: Pairs
    quads: Int[Tensor, "K 4"]
    handedness: Float[Tensor, "K"]
    names: tuple[str, ...]
    persistence: float

    cause = Cause.CENTRE_INVERTED

    @property
    def n_things(self) -> int:
        """Number of centres."""
        return len(self.quads)

    def signs(self, view: View) -> Signs:
        """Return where centres invert and where they are back."""
        device = view.positions.device
        signed = triple_products(view.positions, self.quads.to(device)) * self.handedness.to(view.positions)
        begins = signed < -DEAD_ZONE
        if bool(begins.any()):
            arms = self.pairs.number[self.quads[:, :1], self.quads[:, 1:]].to(device)
            begins = begins & (view.ratio[:, arms] < BROKEN_FACTOR).all(dim=-1)
        return Signs(begins, signed > DEAD_ZONE)

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the centre, its triple product relative to the reference's sign, and words."""
        quad = self.quads[thing : thing + 1]
        volume = float(triple_products(view.positions[row : row + 1], quad.to(view.positions.device))[0, 0])
        atom = int(quad[0, 0])
        return Finding((atom,), volume * float(self.handedness[thing]), f"The centre {self.names[atom]} inverted.")


__all__ = ["DEAD_ZONE", "Centres"]
