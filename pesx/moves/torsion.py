"""Rotate parts of a molecule about its rotatable bonds."""

from dataclasses import dataclass
from math import pi

import torch

from pesx.config import require
from pesx.errors import ConfigError, InputError
from pesx.geometry.torsion import rotate_about_bond
from pesx.streams import Streams
from pesx.typing import Bool, Int, PerReplica, Positions, Tensor


@dataclass(frozen=True)
class Twist:
    """Rotate about a random choice of rotatable bonds by random angles.

    Attributes:
        bonds: Rotatable bonds (K, 2).
        moving: Atoms on the side of the second atom of each bond, which turn with it (K, N).
        n_bonds: How many bonds are turned on average at scale 1.
        angle: Largest rotation at scale 1, radian; the angle is uniform in [-angle, angle].
    """

    bonds: Int[Tensor, "K 2"]
    moving: Bool[Tensor, "K N"]
    n_bonds: float = 1.5
    angle: float = pi

    def __post_init__(self) -> None:
        if len(self.bonds) == 0:
            raise InputError("Twist: expected at least one rotatable bond, came none; use Displace for this molecule.")
        require(self, above_zero=["n_bonds", "angle"])
        if not self.angle <= pi:
            raise ConfigError(f"Expected Twist.angle of at most pi, came {self.angle}. Give radians up to half a turn.")

    def __call__(self, positions: Positions, scale: PerReplica, streams: Streams) -> Positions:
        """Return twisted positions, angstrom; ``scale`` multiplies the number of bonds turned."""
        n_bonds = len(self.bonds)
        share = (self.n_bonds * scale / n_bonds).clamp(max=1.0)
        draws = streams.uniform(n_bonds)
        # One bond is always turned, or a proposal might be the minimum it starts from.
        certain = (streams.uniform() * n_bonds).long()
        is_turned = (draws < share[:, None]) | (torch.arange(n_bonds, device=draws.device) == certain[:, None])
        angles = torch.where(is_turned, self.angle * (2 * streams.uniform(n_bonds) - 1), 0.0)
        return turn(positions, self.bonds, self.moving, angles=angles)


def turn(positions: Positions, bonds: Int[Tensor, "K 2"], moving: Bool[Tensor, "K N"], *, angles: Tensor) -> Positions:
    """Rotate about several bonds, one after the other.

    Args:
        positions: Angstrom.
        bonds: Axes of rotation.
        moving: Atoms that turn with the second atom of each bond.
        angles: Rotation about each bond (B, K), radian, right-handed looking along the bond.
    """
    for bond, atoms, angle in zip(bonds, moving, angles.unbind(dim=1), strict=True):
        positions = rotate_about_bond(positions, bond, atoms, angle)
    return positions
