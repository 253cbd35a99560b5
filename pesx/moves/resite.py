"""Take the least coordinated atoms of a cluster and put them down elsewhere on its surface.

The angular step of GMIN (Wales and Doye 1997, doi:10.1021/jp970984n), with the coordination number in place of the pair
energy, so that it needs positions alone.
"""

from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.streams import Streams
from pesx.typing import PerReplica, Positions, Tensor


@dataclass(frozen=True)
class Resite:
    """Move some of the least coordinated atoms to random places on the surface of a cluster.

    Attributes:
        bond_length: Nearest-neighbour distance, angstrom; a smooth count of neighbours within about 1.25 times this is the
            coordination.
        max_atoms: At most this many atoms are moved; how many is drawn.
    """

    bond_length: float = 1.12
    max_atoms: int = 3

    def __post_init__(self) -> None:
        require(self, above_zero=["bond_length"], at_least_one=["max_atoms"])

    def __call__(self, positions: Positions, scale: PerReplica, streams: Streams) -> Positions:
        """Return positions with the chosen atoms on the surface, angstrom; ``scale`` widens the choice of atoms."""
        n_replicas, n_atoms, _ = positions.shape
        n_moved = min(self.max_atoms, n_atoms - 1)
        centred = positions - positions.mean(dim=1, keepdim=True)
        # Noise in the ranking lets other weakly bound atoms have their turn.
        noise = scale[:, None] * streams.uniform(n_atoms)
        order = (self._coordination(centred) + noise).argsort(dim=1)[:, :n_moved]
        count = 1 + (streams.uniform() * n_moved).long()
        is_moved = torch.arange(n_moved, device=positions.device) < count[:, None]

        directions = streams.normal(n_moved, 3)
        directions = directions / torch.linalg.vector_norm(directions, dim=-1, keepdim=True)
        radius = self._radius_along(centred, directions, order)
        rows = torch.arange(n_replicas, device=positions.device)[:, None]
        placed = torch.where(is_moved[..., None], radius[..., None] * directions, centred[rows, order])
        out = centred.clone()
        out[rows, order] = placed
        return out

    def _coordination(self, centred: Positions) -> Tensor:
        distances = torch.cdist(centred, centred, compute_mode="donot_use_mm_for_euclid_dist")
        count = torch.sigmoid((1.25 * self.bond_length - distances) / (0.05 * self.bond_length)).sum(dim=2)
        return count - 1

    def _radius_along(self, centred: Positions, directions: Tensor, moved: Tensor) -> Tensor:
        """Return how far out along each direction an atom just touches those that stay."""
        rows = torch.arange(len(centred), device=centred.device)[:, None]
        stays = torch.ones(centred.shape[:2], dtype=torch.bool, device=centred.device)
        stays[rows, moved] = False
        along = torch.einsum("bkc,bnc->bkn", directions, centred)
        squared = (centred**2).sum(dim=-1)[:, None, :] - along**2
        reach = along + torch.sqrt((self.bond_length**2 - squared).clamp(min=0.0))
        is_hit = stays[:, None, :] & (squared < self.bond_length**2)
        fallback = torch.full_like(reach, self.bond_length)
        return torch.where(is_hit, reach, fallback).amax(dim=2).clamp(min=self.bond_length)
