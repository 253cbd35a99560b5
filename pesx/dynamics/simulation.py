"""Replicas in motion in one batch: evaluate, look now and then, step; a replica that fails leaves, the others go on.

Between two looks nothing waits for the processor of the forces. At a look, which is at every frame, the replicas are copied to
the CPU; there the monitors judge them, the writer gets them, and the ring of the last frames turns. A replica that fails goes
on for a few frames, to show what it led to, and leaves with the frames around the event.

A checkpoint is the state before a look. A resumed run looks again, at the same bits, so nothing tells it from one that was
never stopped.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from pesx.config import require
from pesx.dynamics.checkpoint import Checkpoint
from pesx.dynamics.motion import Integrator, Motion, kinetic_energy
from pesx.dynamics.record import Record
from pesx.dynamics.rigid import degrees_of_freedom
from pesx.dynamics.ring import Ring
from pesx.dynamics.snapshot import Snapshot
from pesx.monitors.cause import Cause
from pesx.monitors.frame import Event, Frame
from pesx.monitors.monitors import Monitors, Watch
from pesx.protocols import Potential
from pesx.state import Evaluation, flatten, take_rows, unflatten
from pesx.typing import Energies, Index, Mask, Positions, Tensor
from pesx.units import BOLTZMANN

_FARTHEST = 1e4
"""Angstrom from the origin; a replica with an atom beyond leaves at once, because some formats cannot hold it."""

_GOES_ON = -1
"""Countdown of a replica that has not failed."""

_PS = 1e-3
"""A fs in ps."""


@dataclass(frozen=True)
class Schedule:
    """How long, and how often.

    Attributes:
        n_steps: Steps in all.
        every: Steps between frames.
        before: Frames kept before an event.
        after: Frames that a replica goes on after the look at which its failure was told.
        checkpoint_seconds: Wall time between checkpoints; they are made at frames only.
    """

    n_steps: int
    every: int
    before: int = 10
    after: int = 5
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        require(self, at_least_one=["n_steps", "every"], at_least_zero=["before", "after", "checkpoint_seconds"])


@dataclass(frozen=True, eq=False)
class Parts:
    """What a simulation is made of.

    Attributes:
        potential: Bound to the molecule.
        integrator: Of the replicas.
        monitors: What ends a replica.
        dtype: Of the forces.
        device: Where the replicas are.
        uncertainty: Of the energy, eV, if it is to be watched.
    """

    potential: Potential
    integrator: Integrator[Any]
    monitors: Monitors
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    uncertainty: Callable[[Positions], Energies] | None = None


@dataclass(frozen=True)
class Population:
    """The replicas that are left, with all that is remembered of them; rows of the motion are on its device.

    Attributes:
        motion: State of the integrator.
        watch: Of the monitors.
        ring: The last frames.
        countdown: Frames until a replica that failed leaves; -1 for the others.
    """

    motion: Motion
    watch: Watch
    ring: Ring
    countdown: Index


@dataclass(frozen=True)
class Progress:
    """How a simulation stands.

    Attributes:
        n_done: Steps done.
        n_steps: Steps in all.
        n_alive: Replicas that have not failed.
        n_replicas: Replicas at the start.
        time: Of each replica that goes on, ps.
        seconds: Since this process began with it.
        replica_steps: Steps of all replicas in this process together.
        temperatures: Mean kinetic temperature of the last frame by the target, K.
    """

    n_done: int
    n_steps: int
    n_alive: int
    n_replicas: int
    time: float
    seconds: float
    replica_steps: int
    temperatures: Mapping[float, float]


class Simulation:
    """Replicas of one molecule, and the way they go.

    Args:
        parts: What it is made of.
        schedule: How long.
        start: The state of the integrator to begin with; velocities not behind the positions.
        record: Where it is written.
    """

    def __init__(self, parts: Parts, schedule: Schedule, start: Motion, record: Record) -> None:
        self.parts, self.schedule, self.record = parts, schedule, record
        self.n_done = 0
        self.n_replicas = len(start.positions)
        self._n_freedom = degrees_of_freedom(start.positions.shape[1], is_free=parts.integrator.is_free)
        self._population = self._first(start)
        self._interrupted = False
        self._temperatures: dict[float, float] = {}
        self._replica_steps = 0

    @property
    def time(self) -> float:
        """Time that each replica has gone that has not failed, ps."""
        return self.n_done * self.parts.integrator.timestep * _PS

    def interrupt(self) -> None:
        """Let the run end at the next frame, with a checkpoint."""
        self._interrupted = True

    @torch.no_grad()
    def run(self, observe: Callable[[Progress], None] = lambda _: None) -> bool:
        """Go on to the end, until interrupted, or until all replicas have failed; return whether nothing is left to do.

        Raises:
            OSError: Something could not be written; files hold whole frames, and the last checkpoint is intact.
        """
        began = saved = time.monotonic()
        self.save()
        while True:
            population = self._population
            now = self.parts.potential(population.motion.positions.to(self.parts.dtype))
            if self.n_done % self.schedule.every == 0:
                is_last = self.n_done >= self.schedule.n_steps
                is_due = time.monotonic() - saved >= self.schedule.checkpoint_seconds
                if self._interrupted or is_last or is_due:
                    self.save()
                    saved = time.monotonic()
                if self._interrupted and not is_last:
                    self.record.settle()
                    return False
                now = self._look(now)
                observe(self._progress(time.monotonic() - began))
                if is_last or len(self._population.countdown) == 0:
                    self._leave_at_the_end()
                    self.record.settle()
                    return True
            self._advance(now)

    def save(self) -> None:
        """Write a checkpoint of where the run stands."""
        self.record.checkpoint(flatten(self._population), {"n_done": self.n_done, "n_replicas": self.n_replicas})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint of the same run; its record is cut back too.

        Raises:
            RunFolderError: A file is shorter than it was.
        """
        n_left = len(checkpoint.tensors["countdown"])
        template = take_rows(self._population, torch.arange(n_left))
        self._population = unflatten(template, dict(checkpoint.tensors))
        self.n_done = int(checkpoint.values["n_done"])
        self.record.restore(checkpoint.values)

    def _first(self, start: Motion) -> Population:
        n_replicas, n_atoms = start.positions.shape[:2]
        frame = Frame(start.positions.cpu().double(), torch.zeros(n_replicas, dtype=torch.float64))
        has_target = bool((start.kT > 0).all())
        return Population(
            motion=start,
            watch=self.parts.monitors.start(frame, start.kT.cpu() / BOLTZMANN if has_target else None),
            ring=Ring.empty(n_replicas, n_atoms, length=self.schedule.before + self.schedule.after + 1),
            countdown=torch.full((n_replicas,), _GOES_ON),
        )

    def _advance(self, now: Evaluation) -> None:
        population = self._population
        motion = self.parts.integrator.step(population.motion, now)
        self._population = Population(motion, population.watch, population.ring, population.countdown)
        self._replica_steps += len(population.countdown)
        self.n_done += 1

    def _look(self, now: Evaluation) -> Evaluation:
        """Judge and write one frame; return the evaluation of those that are left."""
        population = self._population
        snapshot = self._snapshot(now)
        is_sound = _is_sound(snapshot)
        watch, events = self.parts.monitors.look(population.watch, self._frame(snapshot, now))
        countdown = torch.where(population.countdown > 0, population.countdown - 1, population.countdown)
        for event in events:
            is_failure = event.cause in self.parts.monitors.failures
            self._tell(event, is_failure=is_failure)
            if is_failure and countdown[event.replica] == _GOES_ON:
                countdown[event.replica] = self.schedule.after
        countdown[~is_sound] = 0
        ring = population.ring.turned(snapshot)
        self._population = Population(population.motion, watch, ring, countdown)
        if bool(is_sound.any()):
            self.record.write(snapshot.only(is_sound.numpy()))
        self._note_temperatures(snapshot)
        return self._let_go(now, countdown == 0)

    def _let_go(self, now: Evaluation, leaves: Mask) -> Evaluation:
        """Take replicas out of the batch, and write the frames around what happened to them."""
        if not bool(leaves.any()):
            return now
        for row in leaves.nonzero()[:, 0].tolist():
            self._write_end(row)
        rows = (~leaves).nonzero()[:, 0]
        self._population = take_rows(self._population, rows)
        return take_rows(now, rows)

    def _leave_at_the_end(self) -> None:
        """Write the frames around failures whose replicas still went on when the run ended."""
        for row in (self._population.countdown > 0).nonzero()[:, 0].tolist():
            self._write_end(row)

    def _write_end(self, row: int) -> None:
        replica = int(self._population.motion.replica[row])
        track = self._population.ring.track(row, replica)
        if replica not in self.record.ended:
            self._tell(_lost(row, self.n_done // self.schedule.every, self.time), is_failure=True)
        self.record.write_end(track)

    def _tell(self, event: Event, *, is_failure: bool) -> None:
        replica = int(self._population.motion.replica[event.replica])
        self.record.tell(event, replica=replica, is_failure=is_failure, at=self.time)

    def _snapshot(self, now: Evaluation) -> Snapshot:
        integrator = self.parts.integrator
        state = integrator.complete(self._population.motion, now)
        kinetic = kinetic_energy(state.velocities, integrator.masses)
        conserved = integrator.conserved(state, now)
        values: dict[str, Tensor] = {
            "replica": state.replica,
            "time": torch.full((len(kinetic),), self.time, dtype=torch.float64),
            "positions": state.positions,
            "velocities": state.velocities,
            "forces": now.forces,
            "potential": now.energy,
            "kinetic": kinetic,
            "temperature": 2 * kinetic / (max(1, self._n_freedom) * BOLTZMANN),
            "conserved": torch.full_like(kinetic, torch.nan) if conserved is None else conserved,
        }
        arrays = {name: value.cpu() if name == "replica" else value.cpu().double() for name, value in values.items()}
        return Snapshot(**{name: value.numpy() for name, value in arrays.items()})

    def _frame(self, snapshot: Snapshot, now: Evaluation) -> Frame:
        positions = torch.from_numpy(snapshot.positions)
        conserved = torch.from_numpy(snapshot.conserved)
        # What has no conserved quantity still has an energy that must be finite.
        has_conserved = self.parts.monitors.drift_limit is not None
        return Frame(
            positions=positions,
            time=torch.from_numpy(snapshot.time),
            velocities=torch.from_numpy(snapshot.velocities),
            temperature=torch.from_numpy(snapshot.temperature),
            energy=conserved if has_conserved else (now.energy.cpu().double() + torch.from_numpy(snapshot.kinetic)),
            uncertainty=None if self.parts.uncertainty is None else self.parts.uncertainty(positions).cpu(),
        )

    def _note_temperatures(self, snapshot: Snapshot) -> None:
        targets = (self._population.motion.kT.cpu() / BOLTZMANN).round(decimals=3)
        found = torch.from_numpy(snapshot.temperature)
        self._temperatures = {
            target: float(found[targets == target].mean()) for target in sorted(set(targets.tolist()))
        }

    def _progress(self, seconds: float) -> Progress:
        return Progress(
            n_done=self.n_done,
            n_steps=self.schedule.n_steps,
            n_alive=int((self._population.countdown == _GOES_ON).sum()),
            n_replicas=self.n_replicas,
            time=self.time,
            seconds=seconds,
            replica_steps=self._replica_steps,
            temperatures=self._temperatures,
        )


def _lost(row: int, frame: int, time: float) -> Event:
    """Return the event of a replica that cannot go on though no monitor ended it."""
    sentence = "The replica cannot go on: a number is not finite, or an atom is beyond any place that files can hold."
    return Event(row, frame, time, Cause.NON_FINITE, (), torch.nan, sentence)


def _is_sound(snapshot: Snapshot) -> Mask:
    """Return which replicas can be written, and can go on."""
    positions, energy = torch.from_numpy(snapshot.positions), torch.from_numpy(snapshot.potential)
    is_near = (positions.abs() < _FARTHEST).flatten(1).all(dim=1)
    return is_near & torch.isfinite(energy) & torch.isfinite(torch.from_numpy(snapshot.kinetic))


__all__ = ["Parts", "Population", "Progress", "Schedule", "Simulation"]
