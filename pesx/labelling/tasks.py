"""The pieces a labelling run is cut into. A task makes its own geometries, so a run can stop after any of them."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.random import Generator

from pesx.engines.engine import Engine, Evaluate, FloatArray, IntArray
from pesx.errors import EngineError, InputError
from pesx.labelling import geometries
from pesx.labelling.plan import SIMULATED, SOURCES, Dynamics, Plan
from pesx.labelling.store import LABELLED, Frame
from pesx.labelling.template import Template, make_template
from pesx.labelling.trajectories import Point, every, langevin, relaxation, thin

_SINGLE: dict[str, Callable[[Template, Generator], FloatArray]] = {
    "embedded": geometries.embedded,
    "scanned": geometries.scanned,
    "distorted": geometries.distorted,
}


@dataclass(frozen=True)
class TaskMolecule:
    """The molecule of a task, as the store wants it.

    Attributes:
        name: Unique in the store.
        smiles: Its graph; empty if only coordinates are known.
        numbers: Atomic numbers.
        charge: Total charge, e.
        multiplicity: 2S+1.
    """

    name: str
    smiles: str
    numbers: tuple[int, ...]
    charge: int = 0
    multiplicity: int = 1


class Task(Protocol):
    """Something a worker can do that ends in labelled frames."""

    @property
    def key(self) -> str:
        """Name, unique in a store."""
        ...

    @property
    def molecule(self) -> TaskMolecule:
        """What the frames are of."""
        ...

    def run(self, engine: Engine) -> list[Frame]:
        """Return the frames, refused ones included."""
        ...


@dataclass(frozen=True)
class SamplingTask:
    """Make some structures of one molecule from one source, and label them.

    Attributes:
        molecule: What to sample.
        source: One of :data:`~pesx.labelling.plan.SOURCES`.
        number: Of this task among those of the same molecule and source.
        n_frames: How many structures.
        plan: All other settings.
    """

    molecule: TaskMolecule
    source: str
    number: int
    n_frames: int
    plan: Plan

    @property
    def key(self) -> str:
        """Molecule, source and number."""
        return f"{self.molecule.name}/{self.source}/{self.number:04d}"

    def run(self, engine: Engine) -> list[Frame]:
        """Return the frames, refused ones included."""
        template = make_template(self.molecule.name, self.molecule.smiles)
        rng = np.random.default_rng([self.plan.seed, zlib.crc32(self.key.encode())])
        bind = _Binder(engine, self.molecule)
        limit = None if self.plan.energies_only else self.plan.force_limit
        if self.source in ("thermal", SIMULATED):
            return list(_label(bind, self._unlabelled_dynamics(template, rng), limit=limit))
        if self.source == "dynamics":
            return list(self._engine_dynamics(template, rng, bind()))
        if self.source == "quenched":
            return list(self._engine_relaxation(template, rng, bind()))
        make = _SINGLE[self.source]
        drafts = (
            Frame(make(template, rng), self.source, trajectory=f"{self.key}#{index:02d}")
            for index in range(self.n_frames)
        )
        return list(_label(bind, drafts, limit=limit))

    def _unlabelled_dynamics(self, template: Template, rng: Generator) -> Iterator[Frame]:
        """Yield frames of a trajectory on a surface that is cheaper than the engine's."""
        start = geometries.conformer(template, rng)
        if self.plan.model is not None and self.source == SIMULATED:
            # Not at the top: it loads torch, which other sources need not wait for.
            from pesx.labelling.learned import learned_surface

            surface = learned_surface(
                self.plan.model,
                self.molecule.numbers,
                charge=self.molecule.charge,
                multiplicity=self.molecule.multiplicity,
            )
        else:
            surface = template.classical(start)
        for frame in self._dynamics(template, rng, surface, start):
            yield Frame(frame.positions, self.source, self.key, temperature=frame.temperature)

    def _engine_dynamics(self, template: Template, rng: Generator, evaluate: Evaluate) -> Iterator[Frame]:
        start = geometries.conformer(template, rng)
        yield from _until_refused(self._dynamics(template, rng, evaluate, start), start, self)

    def _dynamics(self, template: Template, rng: Generator, evaluate: Evaluate, start: FloatArray) -> Iterator[Frame]:
        settings: Dynamics = getattr(self.plan, self.source)
        temperature = settings.temperatures[self.number % len(settings.temperatures)]
        steps = langevin(
            evaluate,
            start,
            template.masses,
            temperature=temperature,
            timestep=settings.timestep,
            friction=settings.friction,
            rng=rng,
        )
        kept = every(steps, skip=settings.warm_up, interval=settings.interval, n_points=self.n_frames)
        for point in kept:
            yield _frame(point, self, temperature=temperature)

    def _engine_relaxation(self, template: Template, rng: Generator, evaluate: Evaluate) -> Iterator[Frame]:
        settings = self.plan.relaxations
        if self.number % 2:
            start = geometries.scanned(template, rng)
        else:
            start = geometries.noisy(geometries.conformer(template, rng), rng)

        def points() -> Iterator[Frame]:
            path = relaxation(evaluate, start, force_limit=settings.force_limit, max_steps=settings.max_steps)
            for point in thin(path, self.n_frames):
                yield _frame(point, self)

        yield from _until_refused(points(), start, self)


@dataclass(frozen=True)
class GivenTask:
    """Label structures that were made elsewhere.

    Attributes:
        molecule: What they are of.
        number: Of this task among those of the same molecule.
        positions: Angstrom, (K, N, 3).
        source: How they were made.
        force_limit: Largest force norm of a label, eV/angstrom; None for labels without forces.
        trajectories: For each structure, what those that resemble it for a common origin share; empty where it has none.
    """

    molecule: TaskMolecule
    number: int
    positions: FloatArray
    source: str
    force_limit: float | None
    trajectories: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Molecule, source and number."""
        return f"{self.molecule.name}/{self.source}/{self.number:04d}"

    def run(self, engine: Engine) -> list[Frame]:
        """Return the frames, refused ones included."""
        origins = self.trajectories or ("",) * len(self.positions)
        drafts = (
            Frame(positions, self.source, trajectory=origin or f"{self.key}#{index:02d}")
            for index, (positions, origin) in enumerate(zip(self.positions, origins, strict=True))
        )
        return list(_label(_Binder(engine, self.molecule), drafts, limit=self.force_limit))


@dataclass(frozen=True)
class _Binder:
    """Binds an engine to the molecule of a task, anew at each call, and looks at the shape of what it gives."""

    engine: Engine
    molecule: TaskMolecule

    def __call__(self) -> Evaluate:
        numbers: IntArray = np.array(self.molecule.numbers, dtype=np.int64)
        evaluate = self.engine.bind(numbers, charge=self.molecule.charge, multiplicity=self.molecule.multiplicity)

        def checked(positions: FloatArray) -> tuple[float, FloatArray]:
            energy, forces = evaluate(positions)
            if np.shape(forces) != (len(numbers), 3):
                raise InputError(
                    f"Expected forces of shape ({len(numbers)}, 3) from the engine {self.engine.name!r}, came "
                    f"{np.shape(forces)}. Correct its calculator."
                )
            return energy, forces

        return checked


def _frame(point: Point, task: SamplingTask, *, temperature: float = float("nan")) -> Frame:
    positions, energy, forces = point
    return Frame(
        positions,
        task.source,
        task.key,
        temperature=temperature,
        energy=energy,
        forces=forces,
        outcome=_outcome(forces, task.plan.force_limit),
    )


def _outcome(forces: FloatArray, force_limit: float) -> str:
    largest = float(np.linalg.norm(forces, axis=1).max())
    return LABELLED if not largest > force_limit else f"force above {force_limit:g} eV/angstrom"


def _label(bind: _Binder, drafts: Iterable[Frame], *, limit: float | None) -> Iterator[Frame]:
    """Label each draft, without forces if they have no limit; a refusal becomes the frame's outcome."""
    shared = bind() if bind.engine.shares_state else None
    for draft in drafts:
        try:
            energy, forces = (shared or bind())(draft.positions)
        except EngineError as error:
            yield replace(draft, outcome=str(error))
        else:
            if limit is None:
                yield replace(draft, energy=energy)
            else:
                yield replace(draft, energy=energy, forces=forces, outcome=_outcome(forces, limit))


def _until_refused(frames: Iterator[Frame], start: FloatArray, task: SamplingTask) -> Iterator[Frame]:
    """Yield the frames of a trajectory; if the engine refuses a structure, end with a frame that says so."""
    try:
        yield from frames
    except EngineError as error:
        yield Frame(start, task.source, task.key, outcome=str(error))


def sampling_tasks(plan: Plan) -> list[SamplingTask]:
    """Return the tasks of a plan, so mixed that at any time all molecules and sources are equally far."""
    ranked: list[tuple[float, SamplingTask]] = []
    for group in plan.molecules:
        for name, smiles in group.by_name().items():
            template = make_template(name, smiles)
            numbers = tuple(int(number) for number in template.numbers)
            molecule = TaskMolecule(name, smiles, numbers, template.charge, template.multiplicity)
            for source in SOURCES:
                share = plan.mix.get(source, 0.0) / sum(plan.mix.values())
                sizes = _cut(round(group.frames * share), _frames_per_task(plan, source))
                ranked += [
                    ((number + 0.5) / len(sizes), SamplingTask(molecule, source, number, size, plan))
                    for number, size in enumerate(sizes)
                ]
    return [task for _, task in sorted(ranked, key=lambda pair: pair[0])]


def _frames_per_task(plan: Plan, source: str) -> int:
    sizes = {
        "thermal": plan.thermal.n_frames,
        SIMULATED: plan.simulated.n_frames,
        "dynamics": plan.dynamics.n_frames,
        "quenched": plan.relaxations.n_frames,
    }
    return sizes.get(source, plan.batch)


def _cut(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]


__all__ = ["GivenTask", "SamplingTask", "Task", "TaskMolecule", "sampling_tasks"]
