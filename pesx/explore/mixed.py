"""Several ways of exploring at once, each with its share of the walkers, over one archive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from pesx.errors import ConfigError
from pesx.explore.walkers import Explorer, Hops, Settled, Walkers
from pesx.state import cat_rows, put_rows, take_rows
from pesx.streams import Streams
from pesx.typing import Float, Mask, Positions, Tensor


@dataclass(frozen=True)
class Mixed:
    """Deal walkers to explorers in turn (an :class:`~pesx.explore.walkers.Explorer`).

    Attributes:
        explorers: The ways of exploring; walker ``i`` follows number ``i % len(explorers)``.
    """

    explorers: Sequence[Explorer]

    def __post_init__(self) -> None:
        if not self.explorers:
            raise ConfigError("Expected Mixed.explorers with at least one explorer, came none. Add one.")

    def start(self, positions: Positions) -> Walkers:
        """Return walkers, each as its explorer starts it."""
        method = torch.arange(len(positions)) % len(self.explorers)
        parts = [explorer.start(positions[method == m]) for m, explorer in enumerate(self.explorers)]
        order = torch.cat([(method == m).nonzero()[:, 0] for m in range(len(self.explorers))])
        walkers = take_rows(cat_rows(parts), order.argsort())
        return replace(walkers, method=method)

    def propose(self, walkers: Walkers, shares: Float[Tensor, "K"], streams: Streams) -> Hops:
        """Let each explorer propose for its walkers."""
        parts, order = [], []
        for method, explorer in enumerate(self.explorers):
            rows = (walkers.method == method).nonzero()[:, 0]
            if len(rows):
                parts.append(explorer.propose(take_rows(walkers, rows), shares, streams.pick(rows.tolist())))
                order.append(rows)
        return take_rows(cat_rows(parts), torch.cat(order).argsort())

    def update(self, walkers: Walkers, settled: Settled) -> tuple[Walkers, Mask]:
        """Let each explorer learn from the hops of its walkers."""
        accepted = torch.zeros(len(walkers.method), dtype=torch.bool)
        updated = walkers
        for method, explorer in enumerate(self.explorers):
            rows = (walkers.method == method).nonzero()[:, 0]
            if len(rows):
                part, accepted[rows] = explorer.update(take_rows(walkers, rows), take_rows(settled, rows))
                updated = put_rows(updated, rows, replace(part, method=walkers.method[rows]))
        return updated, accepted
