"""The last frames of each replica, so that what led to an event is there when it comes."""

from dataclasses import dataclass
from typing import Self

import torch

from pesx.dynamics.snapshot import Snapshot
from pesx.typing import Float, Index, Tensor

_NAMES = ("time", "positions", "velocities", "forces", "potential", "kinetic", "temperature", "conserved")


@dataclass(frozen=True)
class Ring:
    """Tensors with the replica as first axis and L frames as second, the newest last; see :class:`Snapshot`.

    Attributes:
        n_frames: How many of the frames are there.
    """

    n_frames: Index
    time: Float[Tensor, "B L"]
    positions: Float[Tensor, "B L N 3"]
    velocities: Float[Tensor, "B L N 3"]
    forces: Float[Tensor, "B L N 3"]
    potential: Float[Tensor, "B L"]
    kinetic: Float[Tensor, "B L"]
    temperature: Float[Tensor, "B L"]
    conserved: Float[Tensor, "B L"]

    @classmethod
    def empty(cls, n_replicas: int, n_atoms: int, *, length: int) -> Self:
        """Return a ring without frames."""
        one, each = (n_replicas, length), (n_replicas, length, n_atoms, 3)
        vectors = ("positions", "velocities", "forces")
        tensors = {name: torch.zeros(each if name in vectors else one, dtype=torch.float64) for name in _NAMES}
        return cls(n_frames=torch.zeros(n_replicas, dtype=torch.int64), **tensors)

    def turned(self, snapshot: Snapshot) -> Self:
        """Return the ring with one more frame of every replica; the oldest goes."""
        length = self.time.shape[1]
        tensors = {
            name: torch.cat([getattr(self, name)[:, 1:], torch.from_numpy(getattr(snapshot, name))[:, None]], dim=1)
            for name in _NAMES
        }
        return type(self)(n_frames=(self.n_frames + 1).clamp(max=length), **tensors)

    def track(self, row: int, replica: int) -> Snapshot:
        """Return the frames of one replica.

        Args:
            row: Where it is.
            replica: Its number.
        """
        n_frames = int(self.n_frames[row])
        start = self.time.shape[1] - n_frames
        values = {name: getattr(self, name)[row, start:].numpy() for name in _NAMES}
        return Snapshot(replica=torch.full((n_frames,), replica).numpy(), **values)


__all__ = ["Ring"]
