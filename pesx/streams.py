"""Random numbers with one independent stream per replica.

A stream is named by (seed, walker, hop) and made from nothing else (Philox counters, Salmon et al. 2011,
doi:10.1145/2063384.2063405). So a replica draws the same numbers alone and in any batch, in any slot, on any device, and a
resumed run needs no generator state beyond the hop count.
"""

from collections.abc import Sequence

import numpy as np
import torch

from pesx.typing import Tensor


class Streams:
    """One random stream per replica.

    Args:
        seed: Seed of the run, 0 to 2**64 - 1.
        walkers: Number of each replica's walker.
        hops: How many hops each walker has made; each hop has a stream of its own.
        dtype: Of the tensors returned.
        device: Of the tensors returned.
    """

    def __init__(
        self,
        seed: int,
        walkers: Sequence[int],
        hops: Sequence[int],
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self._generators = [
            np.random.Generator(np.random.Philox(key=[seed, walker], counter=[0, 0, 0, hop]))
            for walker, hop in zip(walkers, hops, strict=True)
        ]
        self._dtype = dtype
        self._device = device

    def __len__(self) -> int:
        return len(self._generators)

    def pick(self, rows: Sequence[int]) -> "Streams":
        """Return the streams of some replicas; they go on from where they are."""
        picked = Streams(0, (), (), dtype=self._dtype, device=self._device)
        picked._generators = [self._generators[row] for row in rows]
        return picked

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers, (B, *shape)."""
        return self._stack([generator.standard_normal(shape) for generator in self._generators], shape)

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers uniform in [0, 1), (B, *shape)."""
        return self._stack([generator.random(shape) for generator in self._generators], shape)

    def _stack(self, draws: list[np.ndarray], shape: tuple[int, ...]) -> Tensor:
        stacked = np.stack(draws) if draws else np.empty((0, *shape))
        return torch.from_numpy(stacked).to(self._device, self._dtype)
