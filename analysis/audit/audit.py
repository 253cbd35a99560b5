"""The audit of trajectories: when, how often and why replicas leave chemistry, and what they look like until then.

One pass over each file in bounded memory. A trajectory is judged by the monitors that also watch simulations, up to its first
failure, unless it is to be judged to its end; all that is observed is of the frames before that failure.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pesx.analysis.audit.blocks import Blocks, sum_of
from pesx.analysis.audit.equipartition import Equipartition, equipartition
from pesx.analysis.audit.observables import Observer, Sums
from pesx.analysis.audit.spectrum import Spectrum, SpectrumSums, why_not
from pesx.analysis.audit.survival import Survival, kaplan_meier
from pesx.analysis.audit.trajectories import Trajectory, Truncation
from pesx.analysis.published import Published, PublishedScores
from pesx.config import require
from pesx.molecule import Molecule
from pesx.monitors import Cause, Event, Frame, Monitors, Watch
from pesx.monitors.heat import kinetic_temperature

_SPECTRUM_FRAMES = 200_000
"""Most frames of one trajectory in its spectrum, so that Fourier transforms do not take longer than all the rest."""


@dataclass(frozen=True)
class AuditSettings:
    """How to audit.

    Attributes:
        to_the_end: Whether to judge a trajectory beyond its first failure.
        observe_every: Between frames whose structure is observed, ps; nearer ones say the same. Judged is every frame.
        with_spectrum: Whether to make spectra.
    """

    to_the_end: bool = False
    observe_every: float = 0.02
    with_spectrum: bool = True

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self, at_least_zero=("observe_every",))


@dataclass(frozen=True, eq=False)
class Audited:
    """What became of one trajectory.

    Attributes:
        path: Of the file.
        target: Temperature of its thermostat, K; None where nobody said.
        temperature: Mean kinetic temperature before the failure, K; None where unknown.
        n_frames: Frames read.
        watched: From its first frame to its failure, or else to its last frame, ps.
        failure: Its first failure; None where it had none.
        events: All that was told up to then, the failure too.
        blocks: Sums of what was observed before the failure.
        spectrum: Before the failure; None where there is none.
        published: The criteria of others, over what was read.
        notes: What could not be told, and why.
    """

    path: Path
    target: float | None
    temperature: float | None
    n_frames: int
    watched: float
    failure: Event | None
    events: tuple[Event, ...]
    blocks: Blocks[Sums]
    spectrum: Spectrum | None
    published: Published
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers and texts."""
        return {
            "path": str(self.path),
            "target_k": self.target,
            "temperature_k": self.temperature,
            "n_frames": self.n_frames,
            "watched_ps": self.watched,
            "failure": None if self.failure is None else self.failure.as_json(),
            "events": [event.as_json() for event in self.events],
            "published_ps": self.published.as_json(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class Group:
    """Trajectories at one temperature.

    Attributes:
        target: K; None where unknown.
        members: The trajectories.
        survival: Their survival curve.
        causes: How many failed first by each cause.
        sums: What was observed, over all; None where nothing was before failures.
        halves: The same over the first and over the second half of each.
        equipartition: None where no velocities are known.
    """

    target: float | None
    members: tuple[Audited, ...]
    survival: Survival
    causes: dict[Cause, int]
    sums: Sums | None
    halves: tuple[Sums, Sums] | None
    equipartition: Equipartition | None


def audit_trajectory(
    trajectory: Trajectory,
    monitors: Monitors,
    observer: Observer,
    settings: AuditSettings = AuditSettings(),
    *,
    target: float | None = None,
    lengths: torch.Tensor | None = None,
    known: Sequence[Event] = (),
    on_progress: Callable[[int], None] = lambda _: None,
) -> Audited:
    """Read one trajectory and return what became of it.

    Args:
        trajectory: What to read.
        monitors: What counts as a failure.
        observer: What to observe before it.
        settings: How to audit.
        target: Temperature of the thermostat, K; without it nothing is judged hot.
        lengths: Mean bond lengths of a reference, angstrom, for the published criterion.
        known: What was told while it ran, with finer eyes than the file; failures among it count.
        on_progress: Called with the number of frames read.

    Raises:
        InputError: The file cannot be read.
    """
    reading = _Reading(monitors, observer, settings, target=target, lengths=lengths)
    for event in known:
        if event.cause in monitors.failures and (reading.known is None or event.time < reading.known.time):
            reading.known = event
    for piece in trajectory.pieces():
        if isinstance(piece, Truncation):
            reading.cut_short(piece)
            break
        reading.take(piece)
        on_progress(reading.n_frames)
        if reading.is_over:
            break
    return reading.audited(trajectory.path, tuple(known))


@dataclass
class _Reading:
    """One trajectory while it is read."""

    monitors: Monitors
    observer: Observer
    settings: AuditSettings
    target: float | None
    lengths: torch.Tensor | None
    watch: Watch | None = None
    events: list[Event] = field(default_factory=list)
    failure: Event | None = None
    known: Event | None = None
    n_frames: int = 0
    times: list[float] = field(default_factory=list)
    held: Frame | None = None
    n_settled: int = 0
    interval: float | None = None
    is_even: bool = True
    heat: list[float] = field(default_factory=lambda: [0.0, 0.0])
    blocks: Blocks[Sums] = field(default_factory=Blocks)
    spectrum: SpectrumSums | None = None
    n_in_spectrum: int = 0

    def __post_init__(self) -> None:
        self.published = PublishedScores(self.monitors.molecule, self.lengths)

    @property
    def is_over(self) -> bool:
        return self.failure is not None and not self.settings.to_the_end

    def take(self, frame: Frame) -> None:
        """Judge frames, and observe those before any failure that can still come of what they show."""
        frame = _with_temperature(frame, self.monitors)
        if self.watch is None:
            self.watch = self.monitors.start(_rows(frame, 0, 1), self.target)
        self.watch, events = self.monitors.scan(self.watch, frame)
        if self.failure is None:
            self._find_failure(events)
        if self.is_over and self.failure is not None:
            events = [event for event in events if event.told <= self.failure.told]
            frame = _rows(frame, 0, max(1, self.failure.told + 1 - self.n_frames))
        self.events += events
        self._note_times(frame)
        self.published.add(frame)
        self.n_frames += len(frame.time)
        if self.n_settled >= 0:
            self._settle(frame)

    def _find_failure(self, events: list[Event]) -> None:
        failures = [event for event in events if event.cause in self.monitors.failures]
        if failures:
            first = min(event.told for event in failures)
            self.failure = min((event for event in failures if event.told == first), key=lambda event: event.frame)

    def _note_times(self, frame: Frame) -> None:
        time = frame.time.numpy()
        if self.interval is None and len(time) > 1:
            self.interval = float(time[1] - time[0])
        elif self.interval is None and self.times:
            self.interval = float(time[0] - self.times[-1])
        steps = np.diff(np.concatenate([self.times[-1:], time]))
        self.is_even &= self.interval is None or bool(np.allclose(steps, self.interval, rtol=1e-3, atol=1e-6))
        self.times = (
            [*self.times[:1], float(time[0]), float(time[-1])] if not self.times else [self.times[0], float(time[-1])]
        )

    def _settle(self, frame: Frame) -> None:
        """Observe the frames of which it is clear that they come before any failure; hold the others back."""
        assert self.watch is not None
        frame = frame if self.held is None else _joined(self.held, frame)
        undecided = self.monitors.undecided_from(self.watch)
        end = self.n_settled + len(frame.time)
        until = end if undecided is None else min(end, max(undecided, self.n_settled))
        if self.failure is not None:
            until = min(until, self.failure.frame)
        n = max(0, until - self.n_settled)
        if n:
            self._observe(_rows(frame, 0, n))
        self.held = _rows(frame, n, len(frame.time)) if n < len(frame.time) else None
        self.n_settled += n
        if self.failure is not None:
            self.held, self.n_settled = None, -1  # all that comes is after it

    def _observe(self, frame: Frame) -> None:
        if frame.temperature is not None:
            self.heat[0] += len(frame.temperature)
            self.heat[1] = sum(frame.temperature.tolist(), self.heat[1])  # one by one, so that chunks change nothing
        self._add_to_spectrum(frame)
        every = 1 if not self.interval else max(1, round(self.settings.observe_every / self.interval))
        rows = torch.tensor(range(-self.n_settled % every, len(frame.time), every), dtype=torch.int64)
        if not len(rows):
            return
        seen = _picked(frame, rows)
        for start, stop in self.blocks.cuts(len(rows)):
            self.blocks.add(self.observer.see(_rows(seen, start, stop)), stop - start)

    def _add_to_spectrum(self, frame: Frame) -> None:
        if self.interval is None or not self.is_even or not self.settings.with_spectrum:
            return
        if why_not(self.interval, _SPECTRUM_FRAMES) is not None or self.n_in_spectrum >= _SPECTRUM_FRAMES:
            return
        if self.spectrum is None:
            self.spectrum = SpectrumSums(self.monitors.molecule.masses.numpy(), self.interval)
        self.n_in_spectrum += len(frame.time)
        self.spectrum.add(frame.positions.numpy(), None if frame.velocities is None else frame.velocities.numpy())

    def cut_short(self, end: Truncation) -> None:
        """Note that the file ends within a frame; a failure where that is said to be one."""
        time = self.times[-1] if self.times else 0.0
        event = Event(0, end.frame, time, Cause.TRUNCATED, (), float("nan"), end.sentence, told=end.frame)
        self.events.append(event)
        if self.failure is None and Cause.TRUNCATED in self.monitors.failures:
            self.failure = event

    def audited(self, path: Path, known: tuple[Event, ...]) -> Audited:
        """Return the result; frames that wait for what would have come are sound."""
        if self.held is not None:
            self._observe(self.held)
        failure = self.failure
        if self.known is not None and (failure is None or self.known.time <= failure.time):
            failure = self.known
        start, end = (self.times[0], self.times[-1]) if self.times else (0.0, 0.0)
        spectrum = None if self.spectrum is None else self.spectrum.spectrum()
        return Audited(
            path,
            self.target,
            self.heat[1] / self.heat[0] if self.heat[0] else None,
            self.n_frames,
            watched=max(0.0, (end if failure is None else failure.time) - start),
            failure=failure,
            events=(*known, *self.events),
            blocks=self.blocks,
            spectrum=spectrum,
            published=self.published.scores(),
            notes=tuple(self._notes(spectrum)),
        )

    def _notes(self, spectrum: Spectrum | None) -> list[str]:
        notes = []
        if self.target is None:
            notes.append("not judged hot or cold: the temperature of the thermostat is not known (--temperature)")
        elif not self.heat[0]:
            notes.append("not judged hot: the file has neither velocities nor temperatures")
        total = self.blocks.total()
        if total is None or not total.n_moving:
            notes.append("no equipartition: the file has no velocities")
        if spectrum is None and self.settings.with_spectrum:
            if not self.is_even:
                notes.append("no spectrum: the frames are not at equal intervals")
            elif self.interval is not None:
                notes.append(
                    why_not(self.interval, self.n_in_spectrum) or "no spectrum: too few frames before the failure"
                )
        return notes


def groups(members: Sequence[Audited], molecule: Molecule) -> tuple[Group, ...]:
    """Return the trajectories by temperature of their thermostats, ascending; those without last."""
    targets = sorted({member.target for member in members}, key=lambda target: (target is None, target or 0.0))
    return tuple(_group(target, [m for m in members if m.target == target], molecule) for target in targets)


def _group(target: float | None, members: Sequence[Audited], molecule: Molecule) -> Group:
    causes = Counter(member.failure.cause for member in members if member.failure is not None)
    totals = [total for member in members if (total := member.blocks.total()) is not None]
    halves = [pair for member in members if (pair := member.blocks.halves()) is not None]
    whole = [block for member in members for block in member.blocks.whole if block.n_moving]
    means = [block.element_temperature / block.n_moving for block in whole]
    if not means and (moving := [total for total in totals if total.n_moving]):
        means = [total.element_temperature / total.n_moving for total in moving]
    return Group(
        target,
        tuple(members),
        kaplan_meier([member.watched for member in members], [member.failure is not None for member in members]),
        dict(sorted(causes.items())),
        sum_of(totals) if totals else None,
        (sum_of([first for first, _ in halves]), sum_of([second for _, second in halves])) if halves else None,
        equipartition(molecule, means) if means else None,
    )


def _with_temperature(frame: Frame, monitors: Monitors) -> Frame:
    if frame.temperature is not None or frame.velocities is None:
        return frame
    temperature = kinetic_temperature(frame.velocities, monitors.molecule.masses, monitors.n_freedom)
    return Frame(frame.positions, frame.time, frame.velocities, temperature, frame.energy, frame.uncertainty)


def _picked(frame: Frame, rows: torch.Tensor | slice) -> Frame:
    known = (frame.velocities, frame.temperature, frame.energy, frame.uncertainty)
    return Frame(frame.positions[rows], frame.time[rows], *(None if item is None else item[rows] for item in known))


def _rows(frame: Frame, start: int, stop: int) -> Frame:
    return _picked(frame, slice(start, stop))


def _joined(a: Frame, b: Frame) -> Frame:
    def both(name: str) -> torch.Tensor | None:
        first, second = getattr(a, name), getattr(b, name)
        return None if first is None or second is None else torch.cat([first, second])

    names = ("velocities", "temperature", "energy", "uncertainty")
    return Frame(torch.cat([a.positions, b.positions]), torch.cat([a.time, b.time]), *(both(name) for name in names))


__all__ = ["AuditSettings", "Audited", "Group", "audit_trajectory", "groups"]
