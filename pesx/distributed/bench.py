"""The bench of many workers: hops go out to where there is room, and come back in the order in which they end.

Every worker is sent its next orders while it still works on the last, and never more than that. So no worker waits for the
driver, and what is on its way is bounded by the slots. The hops of a worker that dies, or does not answer any more, are lost;
their walkers hop anew from where they are, and another worker takes its place.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from pesx.distributed.cluster import Cluster
from pesx.distributed.worker import Orders, Place, Report, Worker
from pesx.errors import EngineError, PesxError
from pesx.explore.bench import Checked, Ended, LocalBench
from pesx.explore.walkers import Hops
from pesx.state import cat_rows, take_rows
from pesx.typing import Index, Positions, Tensor

_AHEAD = 2
"""Rounds that a worker has been asked for at a time."""

_ROUND = 0.5
"""Seconds after which a worker reports in any case."""

_LOOK = 5.0
"""Seconds between two looks at how large the cluster is."""

_MOST_DEATHS = 10
"""Workers that may die without any news in between before that is taken for the fault of what they are to do."""


@dataclass(eq=False)
class _Member:
    """A worker as the driver sees it.

    Attributes:
        actor: Its handle.
        hello: The answer that will say where it is.
        place: That answer; None before it has begun.
        calls: Rounds that it has been asked for, oldest first.
        orders: What goes with the next.
        in_slots: Walkers whose hops are in its slots.
        in_hand: Walkers whose rough ends it polishes or checks.
        since: When the round under way was begun, as far as is known.
        report: Its last.
    """

    actor: Any
    hello: Any
    place: Place | None = None
    calls: deque[Any] = field(default_factory=deque)
    orders: Orders = field(default_factory=Orders)
    in_slots: set[int] = field(default_factory=set)
    in_hand: set[int] = field(default_factory=set)
    since: float = field(default_factory=time.monotonic)
    report: Report | None = None


class RayBench:
    """Works hops out on workers of a Ray cluster (a :class:`~pesx.explore.bench.Bench`).

    Args:
        cluster: Where workers live.
        make: Makes the bench of a worker, in its process.
        n_slots: Slots of each.
        n_workers: How many workers; 0 for one on each device of the cluster, those that join it later too.
        device: Of the workers, such as cpu or cuda.
        patience: Seconds for a round after which a worker counts as hanging. The first round may take ten times as long.
    """

    def __init__(
        self,
        cluster: Cluster,
        make: Callable[[], LocalBench],
        *,
        n_slots: int,
        n_workers: int = 0,
        device: str = "cpu",
        patience: float = 120.0,
    ) -> None:
        self._cluster, self._n_slots, self._n_workers, self._device = cluster, n_slots, n_workers, device
        self._patience = patience
        self._ray = cluster.ray
        gpus = {"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1}
        self._hire = self._ray.remote(Worker).options(max_restarts=0, **gpus).remote
        self._make = self._ray.put(make)
        self._members: list[_Member] = []
        self._quenched: list[Ended] = []
        self._polished: list[Ended] = []
        self._checked: list[Checked] = []
        self._lost: list[int] = []
        self._home: dict[int, _Member] = {}
        self._gone = [0, 0, 0]  # evaluations, steps times slots and busy ones of workers that are no more
        self._n_deaths = self.n_replaced = 0
        self._looked = -_LOOK
        self._fill_up()

    @property
    def places(self) -> list[Place]:
        """Where the workers are that have begun."""
        return [member.place for member in self._members if member.place is not None]

    @property
    def _present(self) -> list[_Member]:
        return [member for member in self._members if member.place is not None]

    @property
    def n_slots(self) -> int:
        """Slots of all workers that are there."""
        return self._n_slots * len(self._present)

    @property
    def n_free(self) -> int:
        """Hops that could start now."""
        return self.n_slots - sum(len(member.in_slots) for member in self._present)

    @property
    def n_evaluations(self) -> int:
        """Force evaluations so far, as far as they were reported."""
        return self._gone[0] + sum(member.report.n_evaluations for member in self._members if member.report)

    @property
    def occupancy(self) -> float:
        """Share of slots that were busy."""
        reports = [member.report for member in self._members if member.report]
        total = self._gone[1] + sum(report.n_slot_steps for report in reports)
        return (self._gone[2] + sum(report.n_busy_steps for report in reports)) / total if total else 0.0

    def start(self, walker: Index, hops: Hops) -> None:
        """Begin hops where most slots are free."""
        if len(walker) > self.n_free:
            raise ValueError(f"Expected at most {self.n_free} hops, came {len(walker)}.")
        present, shares = self._present, dict[int, list[int]]()
        free = {number: self._n_slots - len(member.in_slots) for number, member in enumerate(present)}
        for row in range(len(walker)):
            number = max(free, key=lambda number: free[number])
            free[number] -= 1
            shares.setdefault(number, []).append(row)
        for number, rows in shares.items():
            member, taken = present[number], torch.tensor(rows)
            member.orders.starts.append((walker[taken], take_rows(hops, taken)))
            member.in_slots.update(walker[taken].tolist())
            self._home.update(dict.fromkeys(walker[taken].tolist(), member))

    def polish(self, ended: Ended) -> None:
        """Let rough ends be polished where they come from."""
        for member, rows in self._by_member(ended.job.walker):
            member.orders.polishes.append(take_rows(ended, rows))
            member.in_hand.update(ended.job.walker[rows].tolist())

    def check(self, walker: Index, positions: Positions) -> None:
        """Let polished ends be checked where they come from."""
        for member, rows in self._by_member(walker):
            member.orders.checks.append((walker[rows], positions[rows]))
            member.in_hand.update(walker[rows].tolist())

    def advance(self) -> None:
        """Send orders, and wait for the first news."""
        self._fill_up()
        for member in self._present:
            while len(member.calls) < _AHEAD and (member.in_slots or member.in_hand):
                if not member.calls:
                    member.since = time.monotonic()
                member.calls.append(member.actor.work.remote(member.orders, _ROUND))
                member.orders = Orders()
        pending = [reference for member in self._members for reference in self._awaited(member)]
        if pending:
            self._ray.wait(pending, num_returns=1, timeout=1.0)
            done, _ = self._ray.wait(pending, num_returns=len(pending), timeout=0)
            for member in list(self._members):
                self._hear(member, set(done))
        self._dismiss_hanging()

    def take_quenched(self) -> Ended | None:
        """Return hops whose rough quench has ended."""
        quenched, self._quenched = self._quenched, []
        return cat_rows(quenched) if quenched else None

    def take_polished(self) -> Ended | None:
        """Return those that were polished."""
        polished, self._polished = self._polished, []
        return cat_rows(polished) if polished else None

    def finish_checks(self) -> None:
        """Do nothing: workers check what they are told to at once, all of a round together."""

    def take_checked(self) -> Checked | None:
        """Return those that were checked."""
        checked, self._checked = self._checked, []
        return cat_rows(checked) if checked else None

    def take_lost(self) -> Index:
        """Return the walkers whose hops went down with their worker."""
        lost, self._lost = self._lost, []
        return torch.tensor(lost, dtype=torch.long)

    def snapshot(self) -> dict[str, Tensor]:
        """Return only how much was evaluated: hops under way begin anew when a run is resumed."""
        return {"n_elsewhere": torch.tensor(self.n_evaluations)}

    def restore(self, tensors: Mapping[str, Tensor]) -> Index:
        """Go on counting from there; nothing is under way."""
        counts = ("n_elsewhere", "n_mode_evaluations")
        self._gone[0] = sum(int(tensors[name]) for name in counts if name in tensors)
        self._gone[0] += sum(int(tensors[name][0]) for name in ("slots/counts", "polishing/counts") if name in tensors)
        return torch.zeros(0, dtype=torch.long)

    def close(self) -> None:
        """End the workers and let go of the cluster."""
        for member in self._members:
            self._ray.kill(member.actor)
        self._members = []
        self._cluster.close()

    def _fill_up(self) -> None:
        """Hire as many workers as are wanted and not there."""
        wanted = self._n_workers
        if not wanted:
            if time.monotonic() - self._looked < _LOOK and self._members:
                return
            self._looked = time.monotonic()
            wanted = max(1, self._cluster.n_devices(self._device))
        while len(self._members) < wanted:
            actor = self._hire(self._make)
            self._members.append(_Member(actor, actor.place.remote()))

    def _by_member(self, walker: Index) -> list[tuple[_Member, Index]]:
        """Return the rows of walkers whose hops are with each worker; without a worker, they are lost."""
        rows: dict[int, list[int]] = {}
        present = self._present
        for row, number in enumerate(walker.tolist()):
            member = self._home[number]
            if member not in present and present:
                member = self._home[number] = present[number % len(present)]
            if member in present:
                rows.setdefault(present.index(member), []).append(row)
            else:
                self._lost.append(number)
        return [(present[place], torch.tensor(some)) for place, some in rows.items()]

    @staticmethod
    def _awaited(member: _Member) -> list[Any]:
        """Return the next answer of a worker."""
        return [member.hello] if member.place is None else list(member.calls)[:1]

    def _hear(self, member: _Member, done: set[Any]) -> None:
        """Take in what a worker has answered."""
        while (awaited := self._awaited(member)) and awaited[0] in done:
            try:
                answer = self._ray.get(awaited[0])
            except self._ray.exceptions.RayTaskError as error:
                raise _own_fault(error) from error
            except self._ray.exceptions.RayError as error:
                return self._replace(member, error)
            if member.place is None:
                member.place = answer
                continue
            self._n_deaths = 0
            member.calls.popleft()
            member.since = time.monotonic()
            self._note(member, answer)

    def _note(self, member: _Member, report: Report) -> None:
        member.report = report
        if (quenched := report.quenched) is not None:
            member.in_slots.difference_update(quenched.job.walker.tolist())
            self._quenched.append(quenched)
        if (polished := report.polished) is not None:
            member.in_hand.difference_update(polished.job.walker.tolist())
            self._polished.append(polished)
        if (checked := report.checked) is not None:
            member.in_hand.difference_update(checked.walker.tolist())
            self._checked.append(checked)

    def _replace(self, member: _Member, error: Exception) -> None:
        """Do without a worker; another is hired when there is time."""
        self._n_deaths += 1
        if self._n_deaths > _MOST_DEATHS:
            raise EngineError(
                f"Expected workers that live; {self._n_deaths} in a row died before they had done anything. The last: "
                f"{' '.join(str(error).split())} What was stored before is intact."
            ) from error
        self.n_replaced += 1
        self._members.remove(member)
        self._ray.kill(member.actor)
        self._lost += sorted(member.in_slots | member.in_hand)
        if (last := member.report) is not None:
            spent = last.n_evaluations, last.n_slot_steps, last.n_busy_steps
            self._gone = [before + more for before, more in zip(self._gone, spent, strict=True)]

    def _dismiss_hanging(self) -> None:
        """Replace workers that have not answered for too long."""
        now = time.monotonic()
        for member in self._present:
            patience = self._patience * (1.0 if member.report else 10.0)
            if member.calls and now - member.since > patience:
                self._replace(member, TimeoutError(f"no answer for {patience:.0f} s."))


def _own_fault(error: Any) -> Exception:
    """Return what a worker raised: a message of pesx as it is, anything else as one."""
    cause = error.cause
    if isinstance(cause, PesxError):
        return cause
    return EngineError(f"Expected an answer to every geometry; a worker raised {type(cause).__name__}: {cause}")


__all__ = ["RayBench"]
