"""Give a minimum a stretch of another minimum's torsions: the genetic step of conformer search."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from pesx.errors import InputError
from pesx.geometry.torsion import torsion_angles
from pesx.moves.torsion import turn
from pesx.streams import Streams
from pesx.typing import Bool, Float, Int, PerReplica, Positions, Tensor


@runtime_checkable
class Donors(Protocol):
    """Anything with positions to take torsions from, such as the archive of minima."""

    @property
    def positions(self) -> Float[Tensor, "M N 3"]:
        """Angstrom."""
        ...


@dataclass(frozen=True)
class Crossover:
    """Set a contiguous stretch of torsions to the values they have in a random donor.

    Attributes:
        torsions: Atoms that define the torsion about each rotatable bond (K, 4), in order along the chain.
        moving: Atoms that turn with each bond (K, N).
        donors: Where partners come from.
    """

    torsions: Int[Tensor, "K 4"]
    moving: Bool[Tensor, "K N"]
    donors: Donors

    def __post_init__(self) -> None:
        if len(self.torsions) == 0:
            raise InputError("Crossover: expected at least one torsion, came none; use Displace for this molecule.")

    def __call__(self, positions: Positions, scale: PerReplica, streams: Streams) -> Positions:
        """Return positions with some torsions of donors, angstrom; ``scale`` multiplies the length of the stretch."""
        draws = streams.uniform(3)
        pool = self.donors.positions
        if len(pool) == 0:
            return positions
        partners = pool[(draws[:, 0] * len(pool)).long()].to(positions)
        n_torsions = len(self.torsions)
        first = (draws[:, 1] * n_torsions).long()
        length = 1 + (draws[:, 2] * (n_torsions / 2) * scale).long()
        place = torch.arange(n_torsions, device=positions.device)
        is_taken = (place >= first[:, None]) & (place < (first + length)[:, None])
        wanted = torsion_angles(partners, self.torsions) - torsion_angles(positions, self.torsions)
        angles = torch.where(is_taken, wanted, 0.0)
        return turn(positions, self.torsions[:, 1:3], self.moving, angles=angles)
