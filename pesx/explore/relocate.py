"""Send a walker that finds nothing new to a minimum that few hops have come to.

Where visits are few, neighbours are likely unknown: the idea of basin-hopping with occasional jumping (Iwamatsu and Okabe
2004, doi:10.1016/j.cplett.2004.10.032), with the archive as the place to jump to.
"""

from dataclasses import dataclass, replace

import torch

from pesx.config import require
from pesx.explore.walkers import Walkers
from pesx.typing import Float, Int, PerReplica, Tensor


@dataclass(frozen=True)
class Relocate:
    """Settings of the relocation.

    Attributes:
        after: Hops without anything new before a walker is moved; 0 for never.
    """

    after: int = 2

    def __post_init__(self) -> None:
        require(self, at_least_zero=["after"])

    def __call__(
        self,
        walkers: Walkers,
        uniform: PerReplica,
        *,
        positions: Float[Tensor, "M N 3"],
        energy: Float[Tensor, "M"],
        visits: Int[Tensor, "M"],
    ) -> Walkers:
        """Return the walkers, the idle ones moved.

        Args:
            walkers: Any walkers.
            uniform: Numbers in [0, 1), one per walker.
            positions: Minima in the archive, angstrom.
            energy: Their energies, eV.
            visits: How often each was found.
        """
        is_idle = walkers.idle >= self.after
        if self.after == 0 or len(energy) < 2 or not is_idle.any():
            return walkers
        chances = (1.0 / visits.double() ** 2).cumsum(0)
        target = torch.searchsorted(chances, uniform * chances[-1], right=True).clamp(max=len(energy) - 1)
        return replace(
            walkers,
            positions=torch.where(is_idle[:, None, None], positions[target], walkers.positions),
            energy=torch.where(is_idle, energy[target], walkers.energy),
            minimum=torch.where(is_idle, target, walkers.minimum),
            idle=torch.where(is_idle, 0, walkers.idle),
        )
