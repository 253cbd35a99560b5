"""When two points on a fixed surface are the same: where they are, and nothing else."""

from dataclasses import dataclass

import torch

from pesx.typing import Fingerprints, PerReplica, Positions


@dataclass(frozen=True)
class SurfaceIdentity:
    """Identity of points in an external field, where moving or turning makes another point (an ``Identity``).

    Attributes:
        axes: The Cartesian axes that the field depends on; Müller-Brown's is a plane.
    """

    axes: tuple[int, ...] = (0, 1)

    def fingerprint(self, positions: Positions) -> Fingerprints:
        """Return the coordinates along the axes, angstrom."""
        return positions[..., list(self.axes)].flatten(1)

    def distance(self, a: Positions, b: Positions) -> PerReplica:
        """Return the RMSD along the axes without any alignment, angstrom."""
        apart = (a - b)[..., list(self.axes)]
        rmsd: PerReplica = torch.sqrt((apart**2).sum(dim=-1).mean(dim=-1))
        return rmsd

    def aligned(self, mobile: Positions, target: Positions) -> Positions:  # noqa: ARG002
        """Return the mobile points where they are: nothing may move them."""
        return mobile
