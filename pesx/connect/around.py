"""Where searches start around a minimum, without a partner: displaced at random or, for clusters of atoms, pressed flat."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.state import Minima
from pesx.typing import Float, Positions, Tensor


@dataclass(frozen=True)
class Around:
    """Starts of searches around a minimum.

    The highest transition states of clusters are nearly flat, such as the puckered hexagon of seven atoms, in which none of
    2,500 searches from displaced minima ended. Forces on atoms in a plane keep them there, so clusters that were pressed flat
    relax to the stationary points of the plane, and those transition states are near.

    Attributes:
        kick: Least norm of a displacement, angstrom.
        reach: The greatest is so many times as large; each start draws its own.
        relax: Quenches what was pressed flat, in its plane; None for no flat starts.
        flat_each: One start in so many is pressed flat, if so.
        is_free_to_move: 1 for each direction of space that the potential depends on, else 0.
        each: Searches around each minimum, if nobody says how many.
        in_all: Most of these around all minima.
    """

    kick: float = 0.6
    reach: float = 1.0
    relax: Callable[[Positions], Minima] | None = None
    flat_each: int = 4
    is_free_to_move: Float[Tensor, "3"] | float = 1.0
    each: int = 0
    in_all: int = 10_000

    def __post_init__(self) -> None:
        require(self, above_zero=["kick"], at_least_one=["reach", "flat_each"], at_least_zero=["each", "in_all"])

    def number(self, n_minima: int) -> int:
        """Return how many searches start around each of so many minima, if nobody says."""
        return min(self.each, self.in_all // max(n_minima, 1))

    def __call__(self, minimum: Float[Tensor, "N 3"], n: int, generator: torch.Generator) -> tuple[Positions, int]:
        """Return starts around a minimum, angstrom, and the force evaluations that took.

        Args:
            minimum: Angstrom.
            n: How many.
            generator: Of what is drawn.
        """
        starts = torch.stack([self._displaced(minimum, generator) for _ in range(n)])
        if self.relax is None:
            return starts, 0
        rows = torch.arange(0, n, self.flat_each)
        flat = self.relax(torch.stack([_pressed(minimum, generator) for _ in rows]))
        nudges = torch.stack([_NUDGE * self._direction(minimum, generator) for _ in rows])
        is_finite = torch.isfinite(flat.positions).flatten(1).all(dim=1)[:, None, None]
        starts[rows] = torch.where(is_finite, flat.positions.to(starts) + nudges, starts[rows])
        return starts, int(flat.n_evaluations.sum())

    def _displaced(self, minimum: Float[Tensor, "N 3"], generator: torch.Generator) -> Float[Tensor, "N 3"]:
        direction = self._direction(minimum, generator)
        length = self.kick * (1.0 + (self.reach - 1.0) * float(torch.rand((), generator=generator)))
        return minimum + length * direction

    def _direction(self, minimum: Float[Tensor, "N 3"], generator: torch.Generator) -> Float[Tensor, "N 3"]:
        direction = torch.randn(minimum.shape, dtype=torch.float64, generator=generator) * self.is_free_to_move
        unit: Tensor = direction / direction.norm()
        return unit


_NUDGE = 0.1
"""Norm of the displacement off the stationary points of the plane, angstrom."""

_WIDER = 1.2
"""What is pressed flat is widened by this, to make room."""

_STIR = 0.3
"""Norm of the displacement of what is pressed flat, angstrom: projections of symmetric minima put atoms on each other."""


def _pressed(minimum: Float[Tensor, "N 3"], generator: torch.Generator) -> Float[Tensor, "N 3"]:
    """Return a structure projected onto a plane of a random direction."""
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))[0]
    aside = torch.randn(minimum.shape, dtype=torch.float64, generator=generator)
    flat = _WIDER * (minimum - minimum.mean(dim=0)) @ turn + _STIR * aside / aside.norm()
    pressed: Tensor = flat * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    return pressed


__all__ = ["Around"]
