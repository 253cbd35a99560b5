"""Stereocentres that invert, and double bonds that change between cis and trans."""

from dataclasses import dataclass

import torch

from pesx.chemistry.perceive import CIS, TRANS, classify_torsions
from pesx.geometry.torsion import torsion_angles, triple_products
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


@dataclass(frozen=True, eq=False)
class DoubleBonds:
    """A double bond has changed when it is cis and was trans, or the other way round, until it is what it was.

    Attributes:
        quads: Torsions about the double bonds.
        classes: TRANS or CIS of each in the reference; a twisted one is not watched.
        names: Of the atoms.
        persistence: ps.
    """

    quads: Int[Tensor, "K 4"]
    classes: Int[Tensor, "K"]
    names: tuple[str, ...]
    persistence: float

    cause = Cause.CENTRE_INVERTED

    @property
    def n_things(self) -> int:
        """Number of double bonds."""
        return len(self.quads)

    def signs(self, view: View) -> Signs:
        """Return where double bonds change and where they are back."""
        return has_switched(view, self.quads, self.classes)

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return the bond, its torsion in degree, and words."""
        return switched(view, row, self.quads[thing], names=self.names, what="double bond")


def has_switched(view: View, quads: Int[Tensor, "K 4"], classes: Int[Tensor, "K"]) -> Signs:
    """Return where torsions are cis that were trans, or the other way round, and where they are what they were."""
    now = classify_torsions(torsion_angles(view.positions, quads.to(view.positions.device)))
    start = classes.to(now.device)
    return Signs(now + start == CIS + TRANS, (now == start) & view.is_finite[:, None])


def switched(view: View, row: int, quad: Int[Tensor, "4"], *, names: tuple[str, ...], what: str) -> Finding:
    """Return the words for a torsion that switched."""
    quads = quad[None].to(view.positions.device)
    degree = float(torsion_angles(view.positions[row : row + 1], quads).rad2deg()[0, 0])
    i, j = int(quad[1]), int(quad[2])
    form = "cis" if bool(classify_torsions(torch.tensor(degree).deg2rad()) == CIS) else "trans"
    return Finding((i, j), degree, f"The {what} {names[i]}-{names[j]} went {form}: {degree:.0f} degrees.")


__all__ = ["DEAD_ZONE", "Centres", "DoubleBonds", "has_switched", "switched"]
