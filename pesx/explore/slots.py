"""Slots of one batch that never drain.

A :class:`Lane` holds the replicas that are in one phase (escaping, relaxing), with their stepper's state. :class:`Slots`
evaluates the replicas of all its lanes in one batch per step. Every few steps the caller takes out what has finished and
fills the free slots, so the batch stays full while slow replicas go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pesx.protocols import Potential, Stepper
from pesx.state import Evaluation, cat_rows, flatten, take_rows, unflatten
from pesx.typing import Float, Index, Mask, Positions, Tensor


@dataclass(frozen=True)
class Job:
    """What a replica in a lane is about.

    Attributes:
        walker: Number of the walker it belongs to.
        n_evaluations: Force evaluations of this hop so far, in all lanes.
        n_steps: Steps in this lane.
    """

    walker: Index
    n_evaluations: Index
    n_steps: Index

    @staticmethod
    def fresh(walker: Index, n_evaluations: Index | None = None) -> "Job":
        """Return jobs that have made no step yet."""
        zeros = torch.zeros_like(walker)
        return Job(walker=walker, n_evaluations=zeros if n_evaluations is None else n_evaluations, n_steps=zeros)


@dataclass(frozen=True)
class _Rows:
    """All that belongs to the replicas of a lane; the state is that of the stepper."""

    job: Job
    state: Any
    seen: Positions
    now: Evaluation


class Lane:
    """The replicas in one phase.

    Args:
        stepper: Moves them.
        template: Positions of any replica (1, N, 3); gives atoms, dtype and device.
    """

    def __init__(self, stepper: Stepper[Any], template: Positions) -> None:
        self.stepper = stepper
        none = template[:0]
        walker = torch.zeros(0, dtype=torch.long, device=template.device)
        self._rows = self._fresh(Job.fresh(walker), stepper.init(none))

    def __len__(self) -> int:
        return len(self._rows.job.walker)

    @property
    def job(self) -> Job:
        """The jobs, in the order of the rows."""
        return self._rows.job

    @property
    def state(self) -> Any:
        """State of the stepper."""
        return self._rows.state

    @property
    def seen(self) -> Positions:
        """Where the last evaluation was made, angstrom."""
        return self._rows.seen

    @property
    def now(self) -> Evaluation:
        """The last evaluation, at :attr:`seen`."""
        return self._rows.now

    def put(self, job: Job, state: Any) -> None:
        """Add replicas in the given states."""
        self._rows = cat_rows([self._rows, self._fresh(job, state)])

    def take(self, rows: Mask) -> tuple[Job, Float[Tensor, "R N 3"], Evaluation]:
        """Remove replicas; return their jobs, where they were last evaluated, and what that gave."""
        taken = take_rows(self._rows, rows)
        self._rows = take_rows(self._rows, ~rows)
        return taken.job, taken.seen, taken.now

    def advance(self, now: Evaluation) -> None:
        """Make one step with the evaluation of all rows at ``state.positions``."""
        rows = self._rows
        job = Job(rows.job.walker, rows.job.n_evaluations + 1, rows.job.n_steps + 1)
        self._rows = _Rows(job, self.stepper.step(rows.state, now), rows.state.positions, now)

    def snapshot(self) -> dict[str, Tensor]:
        """Return all tensors by name."""
        return flatten(self._rows)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the tensors of :meth:`snapshot`."""
        self._rows = unflatten(self._rows, dict(tensors))

    @staticmethod
    def _fresh(job: Job, state: Any) -> _Rows:
        positions = state.positions
        energy = torch.full((len(positions),), torch.inf, dtype=torch.float64, device=positions.device)
        return _Rows(job, state, positions, Evaluation(energy, torch.full_like(positions, torch.inf)))


class Slots:
    """A fixed number of slots that several lanes share; the caller puts in no more than :attr:`n_free`.

    Args:
        potential: Evaluates all lanes in one batch.
        lanes: By name.
        n_slots: Number of slots.
    """

    def __init__(self, potential: Potential, lanes: Mapping[str, Lane], n_slots: int) -> None:
        self._potential = potential
        self.lanes = dict(lanes)
        self.n_slots = n_slots
        self.n_evaluations = 0
        self.n_slot_steps = 0

    @property
    def n_busy(self) -> int:
        """How many slots are taken."""
        return sum(len(lane) for lane in self.lanes.values())

    @property
    def n_free(self) -> int:
        """How many slots are not taken; none also where a snapshot of more slots was restored."""
        return max(0, self.n_slots - self.n_busy)

    @property
    def occupancy(self) -> float:
        """Share of slots that were busy, over all steps so far."""
        return self.n_evaluations / self.n_slot_steps if self.n_slot_steps else 0.0

    def advance(self) -> None:
        """Evaluate every replica once and let each lane make its step."""
        lanes = [lane for lane in self.lanes.values() if len(lane)]
        if not lanes:
            return
        self.n_evaluations += self.n_busy
        self.n_slot_steps += self.n_slots
        now = self._potential(torch.cat([lane.state.positions for lane in lanes]))
        for lane, part in zip(lanes, _split(now, [len(lane) for lane in lanes]), strict=True):
            lane.advance(part)

    def snapshot(self) -> dict[str, Tensor]:
        """Return all tensors by name."""
        out = {"counts": torch.tensor([self.n_evaluations, self.n_slot_steps])}
        for name, lane in self.lanes.items():
            out |= {f"{name}/{key}": tensor for key, tensor in lane.snapshot().items()}
        return out

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the tensors of :meth:`snapshot`."""
        self.n_evaluations, self.n_slot_steps = (int(count) for count in tensors["counts"])
        for name, lane in self.lanes.items():
            prefix = f"{name}/"
            lane.restore({key[len(prefix) :]: tensor for key, tensor in tensors.items() if key.startswith(prefix)})


def _split(now: Evaluation, lengths: Sequence[int]) -> list[Evaluation]:
    energies = torch.split(now.energy, list(lengths))
    forces = torch.split(now.forces, list(lengths))
    return [Evaluation(energy, force) for energy, force in zip(energies, forces, strict=True)]
