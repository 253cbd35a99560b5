"""Produce labelled structures: run the tasks of a plan in worker processes and store what they bring."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from pesx.engines.engine import Engine
from pesx.engines.make import make_engine
from pesx.engines.workers import Failed, Pool, Refused, WorkPool
from pesx.errors import ConfigError, InputError, MoleculeError
from pesx.labelling.given import GivenFrame, given_frames
from pesx.labelling.plan import Plan
from pesx.labelling.store import LABELLED, Frame, LabelStore, LabelWriter
from pesx.labelling.tasks import GivenTask, Task, TaskMolecule, sampling_tasks
from pesx.versions import versions

_PACKAGES = ("numpy", "rdkit", "tblite", "pyscf", "pyscf-dispersion", "ase")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_BATCH = 5
"""Structures of a file in one task: what a killed run loses at most in each worker, and how far one density is handed on."""


@dataclass(frozen=True)
class Labelled:
    """What a store holds after a run.

    Attributes:
        counts: Frames by (molecule, source, outcome).
        failed: Tasks that brought nothing, with the reason, and will not be tried again.
        unfinished: Tasks of this run that failed for reasons that may pass; the next run tries them again.
        n_done: Tasks done in this run.
        seconds: Wall time of this run.
    """

    counts: list[tuple[str, str, str, int]]
    failed: list[tuple[str, str]]
    unfinished: list[tuple[str, str]]
    n_done: int
    seconds: float

    @property
    def n_labels(self) -> int:
        """Frames with a label."""
        return sum(count for _, _, outcome, count in self.counts if outcome == LABELLED)

    def refusals(self) -> Counter[str]:
        """Return how many frames were refused for which reason."""
        refused: Counter[str] = Counter()
        for _, _, outcome, count in self.counts:
            if outcome != LABELLED:
                refused[outcome] += count
        return refused

    def table(self) -> Table:
        """Return labels and refusals of each molecule, and the reasons, as a table for a person."""
        table = Table("molecule", "labels", "refused", title=f"{self.n_labels} labels")
        names = dict.fromkeys(name for name, _, _, _ in self.counts)
        for name in names:
            good = sum(count for other, _, outcome, count in self.counts if other == name and outcome == LABELLED)
            every = sum(count for other, _, _, count in self.counts if other == name)
            table.add_row(name, str(good), str(every - good))
        for reason, count in self.refusals().most_common():
            table.add_row(f"[dim]{escape(reason)}", "", str(count))
        for key, reason in self.failed:
            table.add_row(f"[dim]{escape(f'task {key}: {reason}')}", "", "")
        for key, reason in self.unfinished:
            table.add_row(f"[dim]{escape(f'task {key}, to be tried again: {reason}')}", "", "")
        return table


def label(
    plan: Plan,
    out: str | Path,
    *,
    n_workers: int = 1,
    n_threads: int = 1,
    console: Console | None = None,
    pool: Callable[..., Pool[Any, Any]] = WorkPool,
) -> Labelled:
    """Label the structures of a plan, or go on with a run that was interrupted.

    Args:
        plan: What to label.
        out: File of the labels (SQLite); continued if it exists and was made from the same plan.
        n_workers: Worker processes.
        n_threads: Threads of each worker.
        console: Where progress is shown; none if not given.
        pool: What makes the pool of workers; called as :class:`~pesx.engines.workers.WorkPool` is.

    Raises:
        InputError: The file exists and was made from another plan, or the engine or the model cannot have a molecule.
        CheckpointError: The plan's model cannot be read.
        MissingExtraError: The program behind the engine is not installed.
    """
    engine = make_engine(plan.engine, plan.level)
    tasks = sampling_tasks(plan)
    plan_text = plan.to_json()
    if plan.model is not None:
        # Not at the top: it loads torch.
        from pesx.labelling.learned import check_model

        molecules = {task.molecule for task in tasks}
        known = check_model(plan.model, ((one.numbers, one.charge, one.multiplicity) for one in molecules))
        plan_text += f" model {known}"
    how = _How(n_workers, n_threads, plan.energies_only, console, pool)
    return _run(tasks, engine, out, plan_text=plan_text, how=how)


def label_geometries(
    geometries: str | Path,
    engine: Engine,
    out: str | Path,
    *,
    n_workers: int = 1,
    n_threads: int = 1,
    force_limit: float = 30.0,
    energies_only: bool = False,
    console: Console | None = None,
    pool: Callable[..., Pool[Any, Any]] = WorkPool,
) -> Labelled:
    """Label the structures of a file, such as the minima of a search.

    Args:
        geometries: Any file ASE reads; extended XYZ keeps ``name``, ``charge``, ``spin`` (2S+1), ``source`` and
            ``trajectory`` of each structure; see :func:`~pesx.engines.frames.frame_identity`.
        engine: What to label with.
        out: File of the labels (SQLite); continued if it exists and was made from the same structures.
        n_workers: Worker processes.
        n_threads: Threads of each worker.
        force_limit: Structures with a force norm above this are not kept as labels, eV/angstrom.
        energies_only: Whether to store energies without forces, which some engines then need not compute.
        console: Where progress is shown; none if not given.
        pool: What makes the pool of workers; called as :class:`~pesx.engines.workers.WorkPool` is.

    Raises:
        InputError: The file cannot be read, or the engine cannot have a structure in it.
    """
    if not force_limit > 0:
        raise ConfigError(f"Expected a force limit above 0 eV/angstrom, came {force_limit}. Give a positive number.")
    tasks = _given_tasks(geometries, None if energies_only else force_limit)
    plan_text = f"structures of {Path(geometries).name}, {len(tasks)} tasks, force limit {force_limit:g}"
    how = _How(n_workers, n_threads, energies_only, console, pool)
    return _run(tasks, engine, out, plan_text=plan_text, how=how)


@dataclass(frozen=True)
class _How:
    """What both kinds of run have in common."""

    n_workers: int
    n_threads: int
    energies_only: bool
    console: Console | None
    pool: Callable[..., Pool[Any, Any]]

    def environment(self) -> dict[str, str]:
        """Return what gives every worker its threads; one is the rule of a pool."""
        if self.n_threads < 1:
            raise ConfigError(f"Expected at least 1 thread, came {self.n_threads}. Give a positive number.")
        if self.n_threads == 1:
            return {}
        # Threads that wait by spinning take the core that another worker or program needs.
        return dict.fromkeys(_THREADS, str(self.n_threads)) | {"OMP_WAIT_POLICY": "passive"}


def _given_tasks(geometries: str | Path, force_limit: float | None) -> list[GivenTask]:
    groups: dict[tuple[TaskMolecule, str], list[GivenFrame]] = {}
    for frame in given_frames(geometries):
        groups.setdefault((frame.molecule, frame.source), []).append(frame)
    return [
        GivenTask(
            molecule,
            start // _BATCH,
            np.stack([frame.positions for frame in frames[start : start + _BATCH]]),
            source,
            force_limit,
            tuple(frame.trajectory for frame in frames[start : start + _BATCH]),
        )
        for (molecule, source), frames in groups.items()
        for start in range(0, len(frames), _BATCH)
    ]


def _timed(engine: Engine) -> Callable[[Task], tuple[list[Frame], float]]:
    def work(task: Task) -> tuple[list[Frame], float]:
        began = time.perf_counter()
        try:
            return task.run(engine), time.perf_counter() - began
        except MoleculeError:  # refused: the same seed will find no geometry another time either
            raise
        except InputError as error:
            raise InputError(f"{task.molecule.name}: {error}") from error

    return work


def _run(
    tasks: Sequence[Task],
    engine: Engine,
    out: str | Path,
    *,
    plan_text: str,
    how: _How,
) -> Labelled:
    began = time.perf_counter()
    if how.energies_only:
        engine, plan_text = engine.without_forces(), f"{plan_text}, energies only"
    meta = {"level": engine.level, "engine": repr(engine), "plan": plan_text}
    notes = versions(*_PACKAGES)
    with LabelWriter(out, meta, notes=notes, energies_only=how.energies_only) as writer:
        done = writer.done()
        open_tasks = [task for task in tasks if task.key not in done]
        try:
            unfinished = _work(open_tasks, engine, writer, n_all=len(tasks), how=how)
        except InputError:  # another call is needed, which may not want to continue this file
            writer.discard()
            raise
    with LabelStore(out) as store:
        return Labelled(
            store.counts(),
            store.failed_tasks(),
            unfinished,
            len(open_tasks) - len(unfinished),
            time.perf_counter() - began,
        )


def _work(
    tasks: Sequence[Task],
    engine: Engine,
    writer: LabelWriter,
    *,
    n_all: int,
    how: _How,
) -> list[tuple[str, str]]:
    """Do the tasks and store what they bring; return those to be tried another time, with the reason."""
    columns = (TextColumn("labels"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    unfinished = []
    environment = dict(engine.environment()) | how.environment()
    pool: Pool[Task, tuple[list[Frame], float]]
    with (
        Progress(*columns, console=how.console, disable=how.console is None) as progress,
        how.pool(partial(_timed, engine), n_workers=how.n_workers, environment=environment) as pool,
    ):
        bar = progress.add_task("labels", total=n_all, completed=n_all - len(tasks))
        for index, result in pool.run(tasks):
            task = tasks[index]
            if isinstance(result, Failed) and (not result.died or writer.add_death(task.key)):
                unfinished.append((task.key, result.reason))
            else:
                _record(writer, task, result)
                progress.advance(bar)
    return unfinished


def _record(writer: LabelWriter, task: Task, result: tuple[list[Frame], float] | Refused | Failed) -> None:
    molecule = task.molecule
    molecule_id = writer.add_molecule(
        molecule.name,
        np.array(molecule.numbers, dtype=np.int64),
        charge=molecule.charge,
        multiplicity=molecule.multiplicity,
        smiles=molecule.smiles,
    )
    if isinstance(result, Refused | Failed):
        writer.add_task(task.key, molecule_id, [], outcome=result.reason, seconds=0.0)
    else:
        frames, seconds = result
        writer.add_task(task.key, molecule_id, frames, outcome=LABELLED, seconds=seconds)


__all__ = ["Labelled", "label", "label_geometries"]
