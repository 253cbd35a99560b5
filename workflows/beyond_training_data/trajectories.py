"""Labelled frames of trajectories on a reference engine that all begin in one minimum."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase.data import atomic_masses

from pesx import Molecule
from pesx.config import require
from pesx.engines.engine import Engine, FloatArray
from pesx.engines.workers import Failed, Refused, WorkPool
from pesx.errors import EngineError
from pesx.labelling.store import LABELLED, Frame, LabelWriter
from pesx.labelling.trajectories import every, langevin
from pesx.landscape.rows import molecule_from_text, molecule_to_text
from pesx.outcome import Outcome
from pesx.verification.relaxation import Relaxation, Relaxed, relax_each

TRAINING, HELD_OUT = "training.db", "held_out.db"


@dataclass(frozen=True)
class Trajectories:
    """Langevin dynamics from one minimum.

    Attributes:
        n_training: Trajectories to train on.
        n_held_out: Further ones, to test and calibrate the model.
        n_frames: Frames of each.
        interval: Steps between two frames.
        warm_up: Steps before the first.
        temperature: K.
        timestep: fs.
        friction: 1/fs.
        seed: Of velocities and noise.
    """

    n_training: int
    n_held_out: int
    n_frames: int
    interval: int = 20
    warm_up: int = 500
    temperature: float = 500.0
    timestep: float = 1.0
    friction: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=("temperature", "timestep", "friction"),
            at_least_zero=("warm_up", "seed"),
            at_least_one=("n_training", "n_held_out", "n_frames", "interval"),
        )


def minimum_of(molecule: Molecule, engine: Engine) -> FloatArray:
    """Return the minimum of an engine nearest to the input, angstrom.

    Raises:
        EngineError: The relaxation did not converge.
    """
    ((_, end),) = relax_each(molecule, molecule.positions[None], engine, settings=Relaxation())
    if not isinstance(end, Relaxed) or end.outcome != Outcome.CONVERGED:
        raise EngineError(f"Expected {engine.level} to relax {molecule.name or molecule.formula}; it did not converge.")
    return end.positions


def write_frames(
    molecule: Molecule, engine: Engine, settings: Trajectories, out: Path, *, n_workers: int = 1
) -> tuple[Path, Path]:
    """Run what is left of the trajectories, and return the files of labels, those to train on and those held out."""
    paths = out / TRAINING, out / HELD_OUT
    start = None
    meta = {"level": engine.level, "engine": repr(engine), "plan": f"{settings} from one minimum"}
    first = 0
    for path, n in zip(paths, (settings.n_training, settings.n_held_out), strict=True):
        with LabelWriter(path, meta, notes={}) as writer:
            done = writer.done()
            waiting = [number for number in range(first, first + n) if _key(number) not in done]
            if waiting and start is None:
                start = minimum_of(molecule, engine)
            setup = partial(_runner, engine, molecule_to_text(molecule), settings, start)
            pool: WorkPool[int, list[Frame]] = WorkPool(setup, n_workers=n_workers, environment=engine.environment())
            with pool:
                for row, frames in pool.run(waiting):
                    if isinstance(frames, Refused | Failed):
                        raise EngineError(f"Trajectory {waiting[row]} has failed: {frames.reason}")
                    _store(writer, molecule, _key(waiting[row]), frames)
        first += n
    return paths


def _store(writer: LabelWriter, molecule: Molecule, key: str, frames: list[Frame]) -> None:
    identity = writer.add_molecule(
        molecule.name or molecule.formula,
        molecule.numbers.numpy(),
        charge=molecule.charge,
        multiplicity=molecule.multiplicity,
        smiles="",
    )
    writer.add_task(key, identity, frames, outcome=LABELLED, seconds=0.0)


def _key(number: int) -> str:
    return f"trajectory/{number:04d}"


def _runner(
    engine: Engine, molecule_text: str, settings: Trajectories, start: FloatArray
) -> Callable[[int], list[Frame]]:
    """Return what runs the trajectory of a number; called in every worker."""
    molecule = molecule_from_text(molecule_text)
    numbers = molecule.numbers.numpy()

    def run(number: int) -> list[Frame]:
        steps = langevin(
            engine.bind(numbers, charge=molecule.charge, multiplicity=molecule.multiplicity),
            start,
            atomic_masses[numbers],
            temperature=settings.temperature,
            timestep=settings.timestep,
            friction=settings.friction,
            rng=np.random.default_rng([settings.seed, number]),
        )
        points = every(steps, skip=settings.warm_up, interval=settings.interval, n_points=settings.n_frames)
        return [
            Frame(at, "dynamics", _key(number), settings.temperature, energy, forces) for at, energy, forces in points
        ]

    return run
