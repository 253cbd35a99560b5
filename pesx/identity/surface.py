"""When two points on a fixed surface are the same: where they are, and nothing else."""

import torch

from pesx.typing import Fingerprints, PerReplica, Positions


class SurfaceIdentity:
    """Identity of points in an external field, where moving or turning makes another point (Müller-Brown).

    A :class:`~pesx.protocols.Identity`.
    """

    def fingerprint(self, positions: Positions) -> Fingerprints:
        """Return the coordinates, angstrom."""
        return positions.flatten(1)

    def distance(self, a: Positions, b: Positions) -> PerReplica:
        """Return the RMSD without any alignment, angstrom."""
        return torch.sqrt(((a - b) ** 2).sum(dim=-1).mean(dim=-1))
