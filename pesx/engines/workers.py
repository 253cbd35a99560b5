"""Worker processes that outlive their tasks: one thread each, replaced when they die, gone with their parent."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, Protocol, Self, TypeVar

from pesx.errors import ConfigError, EngineError, InputError, MissingExtraError, MoleculeError

T = TypeVar("T")
R = TypeVar("R")
Task = TypeVar("Task", contravariant=True)
Result = TypeVar("Result", covariant=True)

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_STACKSIZE": "256M",
}
"""Environment of every worker: one thread each is fastest when there are as many workers as cores."""

_MAX_FAILED_STARTS = 3
"""A worker that dies this often before its first task will never start."""

_READY = "ready"


@dataclass(frozen=True)
class Refused:
    """Why a task has no result, nor will have one: its geometry is to blame.

    Attributes:
        reason: One line.
    """

    reason: str


@dataclass(frozen=True)
class Failed:
    """Why a task has no result this time.

    Attributes:
        reason: One line.
        died: Whether the process died over it.
    """

    reason: str
    died: bool = False


@dataclass(frozen=True)
class WrongCall:
    """What only the caller can put right, on its way there.

    Attributes:
        message: For people.
    """

    message: str


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes started inside; a spawned child reads them before it loads any library."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, setup: Callable[[], Callable[[Any], Any]]) -> None:
    """Do tasks until the parent hangs up, closes or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    work = setup()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(_READY)
        while True:
            connection.send(answer(work, connection.recv()))


def answer(work: Callable[[Any], Any], task: Any) -> Any:
    """Return the result of a task, or why there is none: :class:`Refused`, :class:`WrongCall` or :class:`Failed`."""
    try:
        return work(task)
    except (EngineError, MoleculeError) as error:
        return Refused(_one_line(str(error)))
    except (InputError, MissingExtraError) as error:
        return WrongCall(str(error))
    except Exception as error:
        return Failed(_one_line(f"{type(error).__name__}: {error}"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


@dataclass
class _Worker:
    process: SpawnProcess
    connection: "Connection[Any, Any]"
    is_ready: bool = False
    index: int | None = None


class Pool(Protocol[Task, Result]):
    """Turns tasks into results, several at a time."""

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[int, Result | Refused | Failed]]:
        """Do the tasks; yield (number of the task, result) as they are completed; see :meth:`WorkPool.run`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class WorkPool(Generic[T, R]):
    """Spawned processes that turn tasks into results.

    Args:
        setup: Called once in every worker; returns the function that does a task. Must be picklable.
        n_workers: Number of processes.
        environment: Variables of the workers, besides those that limit them to one thread.

    Use as a context manager. A task that is refused comes back as :class:`Refused`; one that raises anything else, or
    kills its worker, as :class:`Failed`. The others go on.
    """

    def __init__(
        self,
        setup: Callable[[], Callable[[T], R]],
        *,
        n_workers: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if n_workers < 1:
            raise ConfigError(f"Expected n_workers >= 1, came {n_workers}.")
        self._setup = setup
        self._n_workers = n_workers
        self._variables = ONE_THREAD | dict(environment or {})
        self._context = get_context("spawn")
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def run(self, tasks: Iterable[T]) -> Iterator[tuple[int, R | Refused | Failed]]:
        """Do the tasks; yield (number of the task, result) as they are completed.

        Tasks are taken from the iterable only when a worker is free.

        Raises:
            EngineError: Workers die before they can begin.
            InputError: A task found that the call is wrong: a setting, a missing package, a molecule the engine
                cannot have.
        """
        try:
            yield from self._run(tasks)
        except BaseException:  # what the workers are at belongs to this run, so none may see its results
            self.close()
            raise

    def _run(self, tasks: Iterable[T]) -> Iterator[tuple[int, R | Refused | Failed]]:
        queue: Iterator[tuple[int, T]] = enumerate(tasks)
        first = next(queue, None)
        if first is None:
            return
        queue = chain([first], queue)
        while len(self._workers) < self._n_workers:
            self._workers.append(self._start())
        is_exhausted = False
        while True:
            for worker in self._workers:
                if worker.is_ready and worker.index is None and not is_exhausted:
                    is_exhausted = not self._give(worker, queue)
            if is_exhausted and all(worker.index is None for worker in self._workers):
                return
            # A worker that died shows as end of file on its connection, so nothing else needs watching.
            for ready in wait([worker.connection for worker in self._workers]):
                worker = next(worker for worker in self._workers if worker.connection is ready)
                yield from self._receive(worker)

    def _give(self, worker: _Worker, queue: Iterator[tuple[int, T]]) -> bool:
        """Hand the next task to an idle worker; False if there is none left."""
        for index, task in queue:
            worker.index = index
            with suppress(BrokenPipeError, ConnectionResetError):  # seen as end of file by the next wait
                worker.connection.send(task)
            return True
        return False

    def _receive(self, worker: _Worker) -> Iterator[tuple[int, R | Refused | Failed]]:
        try:
            message = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            yield from self._replace(worker)
            return
        if not worker.is_ready:
            worker.is_ready = True
            self._failed_starts = 0
        elif worker.index is not None:
            index, worker.index = worker.index, None
            if isinstance(message, WrongCall):
                raise InputError(message.message)
            yield index, message

    def _replace(self, worker: _Worker) -> Iterator[tuple[int, Failed]]:
        worker.process.join()
        code = worker.process.exitcode
        if not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise EngineError(
                    f"Worker processes die before their first task (exit code {code}); see the messages above."
                )
        worker.connection.close()
        self._workers[self._workers.index(worker)] = self._start()
        if worker.index is not None:
            yield worker.index, Failed(f"the worker process died (exit code {code})", died=True)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._setup), daemon=True)
        with _environment(self._variables):
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
        self._workers = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


__all__ = ["Failed", "Pool", "Refused", "WorkPool", "WrongCall", "answer"]
