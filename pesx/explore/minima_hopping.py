"""Minima hopping: escape by dynamics, accept below a threshold, and let both learn from the history of all walkers.

Goedecker 2004, doi:10.1063/1.1724816. The feedback acts on the temperature of the escape and on the threshold. With many
walkers on one archive "known" soon is the usual answer, and raising the temperature for it would heat all walkers without
end; so a minimum that only others have seen leaves the temperature alone, and every temperature is clamped.
"""

from dataclasses import dataclass, replace

import torch

from pesx.config import require
from pesx.explore.walkers import Hops, Settled, Walkers, stand
from pesx.streams import Streams
from pesx.typing import Float, Mask, Positions, Tensor


@dataclass(frozen=True)
class MinimaHopping:
    """Settings of minima hopping (an :class:`~pesx.explore.walkers.Explorer`).

    Attributes:
        kT: First temperature of the escape, eV; the kinetic energy is half of it per degree of freedom.
        kT_min: Least temperature, eV.
        kT_max: Greatest temperature, eV.
        threshold: First threshold on the rise in energy, eV.
        threshold_min: Least threshold, eV.
        threshold_max: Greatest threshold, eV.
        escape: Number of the escape in the list of moves.
        heat: Factor on the temperature when a hop came back to where it started.
        warm: Factor when it came to another minimum that this walker knows.
        cool: Factor when it found a new minimum.
        tighten: Factor on the threshold after acceptance; its inverse after rejection.
    """

    kT: float  # noqa: N815
    kT_min: float  # noqa: N815
    kT_max: float  # noqa: N815
    threshold: float
    threshold_min: float
    threshold_max: float
    escape: int
    heat: float = 1.1
    warm: float = 1.05
    cool: float = 1 / 1.1
    tighten: float = 0.95

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=["kT_min", "threshold_min", "heat", "warm", "cool", "tighten"],
            at_least_zero=["escape"],
            ascending=["kT_min", "kT", "kT_max"],
        )
        require(self, ascending=["threshold_min", "threshold", "threshold_max"])

    def start(self, positions: Positions) -> Walkers:
        """Return walkers that have made no hop."""
        kT = torch.full((len(positions),), self.kT, dtype=torch.float64)  # noqa: N806
        return Walkers.start(positions, kT=kT, threshold=self.threshold)

    def propose(self, walkers: Walkers, shares: Float[Tensor, "K"], streams: Streams) -> Hops:  # noqa: ARG002
        """Escape from the current minimum in a random direction."""
        n_atoms = walkers.positions.shape[1]
        return Hops(
            positions=walkers.positions,
            velocities=streams.normal(n_atoms, 3),
            kinetic=0.5 * max(3 * n_atoms - 6, 1) * walkers.kT,
            move=torch.full_like(walkers.minimum, self.escape),
        )

    def update(self, walkers: Walkers, settled: Settled) -> tuple[Walkers, Mask]:
        """Accept what lies below the threshold; adapt temperature and threshold."""
        found, usable = settled.found, settled.is_usable
        is_same = usable & (found.index == walkers.minimum) & (found.index >= 0)
        is_mine = usable & ~is_same & (walkers.recent == found.index[:, None]).any(dim=1) & (found.index >= 0)
        factor = torch.ones_like(walkers.kT)
        factor[is_same] = self.heat
        factor[is_mine] = self.warm
        factor[found.is_new] = self.cool

        rise = settled.minima.energy - walkers.energy
        accepted = usable & ~is_same & (rise < walkers.threshold)
        loosened = torch.where(accepted, self.tighten, 1 / self.tighten)
        threshold = torch.where(usable & ~is_same, walkers.threshold * loosened, walkers.threshold)
        moved = stand(walkers, settled, accepted)
        changed = replace(
            moved,
            kT=(walkers.kT * factor).clamp(self.kT_min, self.kT_max),
            threshold=threshold.clamp(self.threshold_min, self.threshold_max),
        )
        return changed, accepted
