"""Random forces, a function of seed, replica and step, drawn for many steps at once."""

from dataclasses import dataclass, field

import torch

from pesx.config import require
from pesx.streams import Streams
from pesx.typing import Index, Tensor

_STEPS_PER_BLOCK = 32
"""Part of the definition of the numbers: with another length the same seed gives others."""

_FIRST_BLOCK = 1
"""Stream 0 of a replica is for what it starts with."""


@dataclass
class _Memo:
    """The last block drawn; what it holds follows from its key, so keeping it changes no result."""

    key: tuple[object, ...] = ()
    block: Tensor = field(default_factory=lambda: torch.empty(0))


@dataclass(frozen=True)
class Noise:
    """Standard normal numbers for every replica and step.

    Attributes:
        seed: Of the run.
    """

    seed: int
    _memo: _Memo = field(default_factory=_Memo, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require(self, at_least_zero=["seed"])

    def at(self, replica: Index, n_steps: Index, like: Tensor) -> Tensor:
        """Return the numbers of each replica for its next step, in shape, dtype and place of ``like``.

        Args:
            replica: Numbers of the replicas, on the CPU.
            n_steps: Steps each has done, on the CPU.
            like: The first axis is the replica.
        """
        steps = n_steps.tolist()
        blocks = [step // _STEPS_PER_BLOCK for step in steps]
        key = (tuple(replica.tolist()), tuple(blocks), like.shape, like.dtype, like.device)
        if self._memo.key != key:
            streams = Streams(
                self.seed,
                replica.tolist(),
                [block + _FIRST_BLOCK for block in blocks],
                dtype=like.dtype,
                device=like.device,
            )
            self._memo.block, self._memo.key = streams.normal(_STEPS_PER_BLOCK, *like.shape[1:]), key
        places = [step % _STEPS_PER_BLOCK for step in steps]
        if len(set(places)) == 1:
            return self._memo.block[:, places[0]]
        return self._memo.block[list(range(len(places))), places]


__all__ = ["Noise"]
