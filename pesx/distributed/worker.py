"""One worker: a bench in a process of its own, on any machine of the cluster."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from pesx.explore.bench import Checked, Ended, LocalBench
from pesx.explore.walkers import Hops
from pesx.state import cat_rows
from pesx.typing import Index, Positions

_NEWS = 16
"""A worker reports when one in so many of its slots has something to say: each report costs the driver 2 to 3 ms."""


@dataclass
class Orders:
    """What a worker is to do next.

    Attributes:
        starts: Walkers and their hops.
        polishes: Rough ends to be polished.
        checks: Walkers and their polished ends, to be checked for negative modes.
    """

    starts: list[tuple[Index, Hops]] = field(default_factory=list)
    polishes: list[Ended] = field(default_factory=list)
    checks: list[tuple[Index, Positions]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.starts or self.polishes or self.checks)


@dataclass(frozen=True)
class Report:
    """What came of a round.

    Attributes:
        quenched: Hops whose rough quench has ended.
        polished: Those that were polished.
        checked: Those that were checked.
        n_evaluations: Force evaluations of this worker since it started.
        n_slot_steps: Steps times slots since then.
        n_busy_steps: Of these, where a slot was busy.
    """

    quenched: Ended | None
    polished: Ended | None
    checked: Checked | None
    n_evaluations: int
    n_slot_steps: int
    n_busy_steps: int


@dataclass(frozen=True)
class Place:
    """Where a worker runs.

    Attributes:
        host: Name of the machine.
        process: Its number there.
        device: Such as cpu or cuda.
    """

    host: str
    process: int
    device: str


class Worker:
    """What runs as an actor.

    Args:
        make: Makes the bench; called in the process of the worker.
    """

    def __init__(self, make: Callable[[], LocalBench]) -> None:
        # As many workers share a machine as it has devices, or cores.
        torch.set_num_threads(1)
        self._bench = make()

    def place(self) -> Place:
        """Return where it runs; answered once the bench is there."""
        return Place(socket.gethostname(), os.getpid(), self._bench.device)

    def work(self, orders: Orders, seconds: float) -> Report:
        """Take orders, and go on until there is enough to report.

        Args:
            orders: What to do beside what is under way.
            seconds: Time after which to report in any case.
        """
        bench = self._bench
        for walker, hops in orders.starts:
            bench.start(walker, hops)
        for ended in orders.polishes:
            bench.polish(ended)
        for walker, positions in orders.checks:
            bench.check(walker, positions)
        end, news = time.monotonic() + seconds, _News()
        while True:
            bench.advance()
            news.take(bench)
            if len(news) >= max(1, bench.n_slots // _NEWS) or time.monotonic() > end:
                break
        slots = bench.slots
        return Report(
            cat_rows(news.quenched) if news.quenched else None,
            cat_rows(news.polished) if news.polished else None,
            cat_rows(news.checked) if news.checked else None,
            bench.n_evaluations,
            slots.n_slot_steps,
            slots.n_evaluations,
        )


@dataclass
class _News:
    """What has ended since the last report."""

    quenched: list[Ended] = field(default_factory=list)
    polished: list[Ended] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)

    def __len__(self) -> int:
        ends = sum(len(ended.job.walker) for ended in (*self.quenched, *self.polished))
        return ends + sum(len(checked.walker) for checked in self.checked)

    def take(self, bench: LocalBench) -> None:
        """Take out what a bench has finished."""
        if (quenched := bench.take_quenched()) is not None:
            self.quenched.append(quenched)
        if (polished := bench.take_polished()) is not None:
            self.polished.append(polished)
        if (checked := bench.take_checked()) is not None:
            self.checked.append(checked)


__all__ = ["Orders", "Place", "Report", "Worker"]
