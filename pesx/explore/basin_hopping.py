"""Basin hopping: a Metropolis walk on the minima.

Wales and Doye 1997, doi:10.1021/jp970984n. The state of the walk is the relaxed geometry. Each walker adapts the size of its
moves, so that most hops leave the basin, and its temperature, so that a set share of those is accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from pesx.acceptance import Metropolis
from pesx.config import require
from pesx.errors import ConfigError
from pesx.explore.walkers import Hops, Settled, Walkers, stand
from pesx.protocols import Move
from pesx.streams import Streams
from pesx.typing import Float, Mask, Positions, Tensor


@dataclass(frozen=True)
class BasinHopping:
    """Settings of basin hopping (an :class:`~pesx.explore.walkers.Explorer`).

    Attributes:
        moves: The moves, by number; None stands for the escape by dynamics.
        kT: First Metropolis temperature, eV; with a ladder, that of its lowest rung.
        escape_kT: Temperature of escapes at scale 1, eV.
        ladder: Ratio of the temperatures of the highest and the lowest walker, 1 for none. Walkers on a ladder keep their
            temperatures and exchange minima instead (see :mod:`pesx.explore.exchange`).
        kT_range: A walker's temperature stays within these factors of its first.
        scale_range: A walker's scale of moves stays within these bounds.
        leave: Aimed share of hops that leave the basin.
        accept: Aimed share of those that are accepted.
        gain: Largest relative change of scale or temperature by one hop.
    """

    moves: Sequence[Move | None]
    kT: float  # noqa: N815
    escape_kT: float  # noqa: N815
    ladder: float = 1.0
    kT_range: tuple[float, float] = (0.3, 4.0)  # noqa: N815
    scale_range: tuple[float, float] = (0.4, 2.5)
    leave: float = 0.8
    accept: float = 0.35
    gain: float = 0.05

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=["kT", "escape_kT"],
            at_least_zero=["gain"],
            at_least_one=["ladder"],
            fractions=["leave", "accept"],
        )
        if not self.moves:
            raise ConfigError("Expected BasinHopping.moves with at least one move, came none. Add one.")
        for name in ("kT_range", "scale_range"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ConfigError(
                    f"Expected BasinHopping.{name} as two positive numbers, the lower first, came {low} and {high}. "
                    "Correct them."
                )

    def start(self, positions: Positions) -> Walkers:
        """Return walkers that have made no hop, on the rungs of the ladder if there is one."""
        rung = torch.linspace(0, 1, len(positions), dtype=torch.float64)
        return Walkers.start(positions, kT=self.kT * self.ladder**rung, threshold=self.kT)

    def propose(self, walkers: Walkers, shares: Float[Tensor, "K"], streams: Streams) -> Hops:
        """Draw a move for each walker and make it."""
        edges = shares.cumsum(0)
        draws = streams.uniform() * edges[-1]
        move = torch.searchsorted(edges, draws, right=True).clamp(max=len(self.moves) - 1)
        velocities = streams.normal(*walkers.positions.shape[1:])
        positions, kinetic = walkers.positions.clone(), torch.zeros_like(walkers.kT)
        for number, make in enumerate(self.moves):
            is_chosen = move == number
            if not is_chosen.any():
                continue
            if make is None:
                freedoms = max(3 * positions.shape[1] - 6, 1)
                kinetic[is_chosen] = 0.5 * freedoms * self.escape_kT * walkers.scale[is_chosen]
            else:
                rows = is_chosen.nonzero()[:, 0]
                positions[rows] = make(walkers.positions[rows], walkers.scale[rows], streams.pick(rows.tolist()))
        return Hops(positions=positions, velocities=velocities, kinetic=kinetic, move=move)

    def update(self, walkers: Walkers, settled: Settled) -> tuple[Walkers, Mask]:
        """Accept by Metropolis; adapt the scale of moves and the temperature."""
        usable = settled.is_usable
        rise = settled.minima.energy - walkers.energy
        is_same = usable & ((settled.found.index == walkers.minimum) & (walkers.minimum >= 0))
        accepted = usable & Metropolis()(rise, walkers.kT, settled.uniform)

        has_left = ~is_same
        # The logarithms do not drift where the aimed share is met: down by (1 - share) in one case, up by share in the other.
        scale = walkers.scale * torch.exp(self.gain * torch.where(has_left, self.leave - 1, self.leave))
        change = torch.exp(self.gain * torch.where(accepted, self.accept - 1, self.accept))
        is_judged = usable & has_left & torch.isfinite(walkers.energy) & (self.ladder == 1)
        kT = torch.where(is_judged, walkers.kT * change, walkers.kT)  # noqa: N806
        low, high = (self.kT * factor for factor in self.kT_range)
        moved: Any = stand(walkers, settled, accepted)
        kT = kT if self.ladder > 1 else kT.clamp(low, high)  # noqa: N806
        return replace(moved, scale=scale.clamp(*self.scale_range), kT=kT), accepted
