"""The bench: where hops are worked out. It knows no walkers, no archive and no files.

A hop passes through slots (escape, then a rough quench). Whoever owns the archive looks at its end and lets it be polished in
float64, and lets polished ends be checked for negative modes; both only if they are nothing known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from pesx.explore.escape import Escape
from pesx.explore.slots import Job, Lane, Slots
from pesx.explore.walkers import Hops
from pesx.outcome import Outcome
from pesx.protocols import Potential
from pesx.relax.quench import Convergence, judge
from pesx.relax.two_stage import TwoStage
from pesx.state import Minima, Modes, cat_rows, fmax, to_cpu
from pesx.typing import Float, Index, Positions, Tensor

PATIENCE = 20
"""Looks at what is done for which a polished end waits at most until it is checked."""


@dataclass(frozen=True)
class Stages:
    """What happens to a hop.

    Attributes:
        potential: Bound to the molecule.
        escape: The escape by dynamics.
        relaxation: Rough in the slots, polish in the float64 slots.
        modes: Second-order information at minima.
    """

    potential: Potential
    escape: Escape
    relaxation: TwoStage
    modes: Callable[[Positions], Modes]


@dataclass(frozen=True)
class Ended:
    """Hops that are through with a stage.

    Attributes:
        job: Whose, and what it took so far; on the CPU.
        minima: Where they ended; on the CPU in float64.
    """

    job: Job
    minima: Minima


@dataclass(frozen=True)
class Polished:
    """Polished ends that wait to be checked.

    Attributes:
        walker: Whose.
        positions: Where they are, angstrom.
    """

    walker: Index
    positions: Positions


@dataclass(frozen=True)
class Checked:
    """Polished ends that were checked.

    Attributes:
        walker: Whose.
        modes: What was found; on the CPU.
    """

    walker: Index
    modes: Modes


@runtime_checkable
class Bench(Protocol):
    """Works hops out, here or elsewhere."""

    @property
    def n_slots(self) -> int:
        """Hops that can be under way at a time."""
        ...

    @property
    def n_free(self) -> int:
        """Hops that could start now."""
        ...

    @property
    def n_evaluations(self) -> int:
        """Force evaluations so far, over all replicas, those for Hessians included."""
        ...

    @property
    def occupancy(self) -> float:
        """Share of slots that were busy, over all steps so far."""
        ...

    def start(self, walker: Index, hops: Hops) -> None:
        """Begin hops, no more than :attr:`n_free`."""
        ...

    def polish(self, ended: Ended) -> None:
        """Let rough ends be polished."""
        ...

    def check(self, walker: Index, positions: Positions) -> None:
        """Let polished ends be checked for negative modes."""
        ...

    def finish_checks(self) -> None:
        """Check at the next look what waits to be checked, however little it is."""
        ...

    def advance(self) -> None:
        """Go on for a while."""
        ...

    def take_quenched(self) -> Ended | None:
        """Return the hops whose rough quench has ended since the last call."""
        ...

    def take_polished(self) -> Ended | None:
        """Return those that were polished since the last call."""
        ...

    def take_checked(self) -> Checked | None:
        """Return those that were checked since the last call."""
        ...

    def take_lost(self) -> Index:
        """Return the walkers whose hops came to nothing since the last call, through no fault of theirs."""
        ...

    def snapshot(self) -> dict[str, Tensor]:
        """Return what it takes to go on; only asked when nothing is left to be taken."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> Index:
        """Go on from a snapshot of any bench; return the walkers whose hops are under way."""
        ...

    def close(self) -> None:
        """Let go of what it holds, such as processes."""
        ...


class LocalBench:
    """The bench in this process: one batch of slots in the precision of the search, one in float64.

    Args:
        stages: What happens to a hop.
        template: Positions of any replica (N, 3), angstrom.
        n_slots: Slots of the first batch.
        n_polishing: Of the second. Whatever is to be polished is polished at once: waiting would save no evaluation, and
            would drain the slots. So there should be as many as walkers.
        n_checking: Polished ends that are checked together. A GPU evaluates many in the time of one; meanwhile their walkers
            wait. None of them waits for more than :data:`PATIENCE` looks.
        stride: Steps between two looks at which replicas are done.
        dtype: Of the first batch.
        device: Of both.
    """

    def __init__(
        self,
        stages: Stages,
        template: Float[Tensor, "N 3"],
        *,
        n_slots: int,
        n_polishing: int,
        n_checking: int = 1,
        stride: int = 5,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.stages, self._stride = stages, stride
        rough = template[None].to(device, dtype)
        lanes = {"escape": Lane(stages.escape, rough), "quench": Lane(stages.relaxation.rough, rough)}
        self.slots = Slots(stages.potential, lanes, n_slots)
        fine = {"polish": Lane(stages.relaxation.polish, rough.double())}
        self.polishing = Slots(stages.potential, fine, n_polishing)
        self._rough = rough
        self._n_checking, self._n_looks = n_checking, 0
        self._to_check: list[Polished] = []
        self._n_mode_evaluations = self._n_elsewhere = 0

    @property
    def device(self) -> str:
        """Where the batches are."""
        return str(self._rough.device)

    @property
    def n_slots(self) -> int:
        """See :class:`Bench`, as for all that follows."""
        return self.slots.n_slots

    @property
    def n_free(self) -> int:
        """Hops that could start now."""
        return self.slots.n_free

    @property
    def n_evaluations(self) -> int:
        """Force evaluations so far."""
        here = self.slots.n_evaluations + self.polishing.n_evaluations + self._n_mode_evaluations
        return here + self._n_elsewhere

    @property
    def occupancy(self) -> float:
        """Share of slots that were busy."""
        return self.slots.occupancy

    def start(self, walker: Index, hops: Hops) -> None:
        """Begin hops: those with kinetic energy by an escape, the others by a quench."""
        is_escape = hops.kinetic > 0
        positions = hops.positions.to(self._rough)
        walker = walker.to(self._rough.device)
        launched = self.stages.escape.launch(positions[is_escape], hops.velocities[is_escape], hops.kinetic[is_escape])
        self.slots.lanes["escape"].put(Job.fresh(walker[is_escape]), launched)
        quenched = self.stages.relaxation.rough.init(positions[~is_escape])
        self.slots.lanes["quench"].put(Job.fresh(walker[~is_escape]), quenched)

    def polish(self, ended: Ended) -> None:
        """Let rough ends be polished."""
        start = self.stages.relaxation.polish.init(ended.minima.positions.to(self._rough.device))
        walker, n_evaluations = (part.to(self._rough.device) for part in (ended.job.walker, ended.job.n_evaluations))
        self.polishing.lanes["polish"].put(Job.fresh(walker, n_evaluations), start)

    def check(self, walker: Index, positions: Positions) -> None:
        """Let polished ends be checked, together with others."""
        self._to_check.append(Polished(walker, positions))

    def finish_checks(self) -> None:
        """See :class:`Bench`."""
        if self._to_check:
            self._n_looks = PATIENCE

    def advance(self) -> None:
        """Make a few steps."""
        for _ in range(self._stride):
            self.slots.advance()
            self.polishing.advance()

    def take_quenched(self) -> Ended | None:
        """Return hops whose rough quench has ended; escapes that have go on to it."""
        ended = _take_ended(self.slots.lanes["quench"], self.stages.relaxation.rough_convergence)
        # Only now: what an escape passes on has not been evaluated in the next lane yet.
        self._pass_escapes_on()
        return ended

    def take_polished(self) -> Ended | None:
        """Return those that were polished."""
        return _take_ended(self.polishing.lanes["polish"], self.stages.relaxation.polish_convergence)

    def take_checked(self) -> Checked | None:
        """Check what waits if it is enough, has waited long, or is all that is left to do; return what was found."""
        if not self._to_check:
            return None
        self._n_looks += 1
        n_waiting = sum(len(polished.walker) for polished in self._to_check)
        is_idle = not (self.slots.n_busy or self.polishing.n_busy)
        if n_waiting < self._n_checking and self._n_looks < PATIENCE and not is_idle:
            return None
        waiting = cat_rows(self._to_check)
        found = self.stages.modes(waiting.positions.to(self._rough.device))
        self._to_check, self._n_looks = [], 0
        self._n_mode_evaluations += int(found.n_evaluations.sum())
        return Checked(waiting.walker, to_cpu(found))

    def take_lost(self) -> Index:
        """Return none: nothing is lost here."""
        return torch.zeros(0, dtype=torch.long)

    def snapshot(self) -> dict[str, Tensor]:
        """Return all tensors by name, but for hops that wait to be checked: after a restart they begin anew."""
        out = {
            "n_mode_evaluations": torch.tensor(self._n_mode_evaluations),
            "n_elsewhere": torch.tensor(self._n_elsewhere),
        }
        out |= {f"slots/{key}": tensor for key, tensor in self.slots.snapshot().items()}
        return out | {f"polishing/{key}": tensor for key, tensor in self.polishing.snapshot().items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> Index:
        """Take the tensors of :meth:`snapshot`; those of another bench say only how much was evaluated there."""
        self._n_elsewhere = int(tensors.get("n_elsewhere", torch.tensor(0)))
        if "n_mode_evaluations" not in tensors:
            return torch.zeros(0, dtype=torch.long)
        self._n_mode_evaluations = int(tensors["n_mode_evaluations"])
        for name, slots in (("slots/", self.slots), ("polishing/", self.polishing)):
            slots.restore({key.removeprefix(name): part for key, part in tensors.items() if key.startswith(name)})
        lanes = [*self.slots.lanes.values(), *self.polishing.lanes.values()]
        return torch.cat([lane.job.walker.cpu() for lane in lanes])

    def close(self) -> None:
        """Do nothing: what the potential holds is for whoever made it to let go."""

    def _pass_escapes_on(self) -> None:
        lane = self.slots.lanes["escape"]
        is_done = lane.state.outcome != Outcome.RUNNING
        if is_done.any():
            job, positions, _ = lane.take(is_done)
            start = self.stages.relaxation.rough.init(positions)
            self.slots.lanes["quench"].put(Job.fresh(job.walker, job.n_evaluations), start)


def checked_together(n_slots: int, device: str) -> int:
    """Return how many polished ends are worth a check: an eighth of the slots on a GPU, each by itself on a CPU."""
    return 1 if torch.device(device).type == "cpu" else max(1, n_slots // 8)


def _take_ended(lane: Lane, convergence: Convergence) -> Ended | None:
    """Remove the replicas that are done."""
    if not len(lane):
        return None
    outcome = judge(lane.seen, lane.now, lane.job.n_steps, convergence)
    is_done = outcome != Outcome.RUNNING
    if not is_done.any():
        return None
    job, positions, now = lane.take(is_done)
    minima = Minima(
        positions=positions.double().cpu(),
        energy=now.energy.double().cpu(),
        fmax=fmax(now.forces).double().cpu(),
        outcome=outcome[is_done].cpu(),
        n_evaluations=job.n_evaluations.cpu(),
    )
    return Ended(Job(job.walker.cpu(), job.n_evaluations.cpu(), job.n_steps.cpu()), minima)


__all__ = ["Bench", "Checked", "Ended", "LocalBench", "Polished", "Stages", "checked_together"]
