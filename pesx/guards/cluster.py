"""Whether a cluster still is in one piece."""

from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.guards.molecular import is_connected
from pesx.outcome import Outcome
from pesx.typing import Index, Positions


@dataclass(frozen=True)
class ClusterGuard:
    """Checks that every atom can be reached from every other by steps no longer than a bond.

    Attributes:
        bond_length: Longest step, angstrom or the unit of the positions. Nearest neighbours of a Lennard-Jones cluster
            are 1.12 sigma apart and next-nearest 1.6 to 1.8, so 2 sigma lets a loose surface atom pass and no
            evaporated one.
    """

    bond_length: float = 2.0

    def __post_init__(self) -> None:
        require(self, above_zero=["bond_length"])

    def outcome(self, positions: Positions) -> Index:
        """Return CONVERGED, FRAGMENTED or NON_FINITE per replica."""
        is_finite = torch.isfinite(positions).flatten(1).all(dim=1)
        is_whole = is_connected(torch.cdist(positions, positions) < self.bond_length)
        code = torch.where(is_whole, int(Outcome.CONVERGED), int(Outcome.FRAGMENTED))
        return torch.where(is_finite, code, int(Outcome.NON_FINITE))

    def keys(self, positions: Positions) -> list[str]:
        """Return an empty text per replica: a cluster has no further chemistry."""
        return [""] * len(positions)
