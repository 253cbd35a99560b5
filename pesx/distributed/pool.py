"""A pool of workers on a Ray cluster, for tasks that know nothing of each other."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from pesx.distributed.cluster import Cluster
from pesx.engines.workers import ONE_THREAD, Failed, Refused, WrongCall, answer
from pesx.errors import EngineError, InputError

T = TypeVar("T")
R = TypeVar("R")

_MOST_FAILED_STARTS = 3
"""Workers in a row that may die before their first task."""


class _TaskWorker:
    """What runs as an actor."""

    def __init__(self, setup: Callable[[], Callable[[Any], Any]]) -> None:
        self._work = setup()

    def do(self, task: Any) -> Any:
        return answer(self._work, task)


@dataclass
class _Member:
    actor: Any
    index: int | None = None
    has_answered: bool = False


class RayPool(Generic[T, R]):
    """Actors that turn tasks into results (a :class:`~pesx.engines.workers.Pool`).

    Args:
        setup: Called once in every worker; returns the function that does a task.
        cluster: Where workers live.
        n_workers: How many; 0 for one on each core of the cluster.
        environment: Variables of the workers, besides those that limit them to one thread.
    """

    def __init__(
        self,
        setup: Callable[[], Callable[[T], R]],
        *,
        cluster: Cluster,
        n_workers: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._ray = cluster.ray
        self._n_workers = n_workers or max(1, cluster.n_devices("cpu"))
        variables = ONE_THREAD | dict(environment or {})
        n_cores = int(variables["OMP_NUM_THREADS"])
        hire = self._ray.remote(_TaskWorker).options(num_cpus=n_cores, runtime_env={"env_vars": variables})
        self._setup, self._hire = self._ray.put(setup), hire.remote
        self._members: list[_Member] = []
        self._n_failed_starts = 0

    def run(self, tasks: Iterable[T]) -> Iterator[tuple[int, R | Refused | Failed]]:
        """Do the tasks; yield (number of the task, result) as they are completed.

        Raises:
            EngineError: Workers die before they can begin.
            InputError: A task found that the call is wrong.
        """
        queue = enumerate(tasks)
        under_way: dict[Any, _Member] = {}
        for _ in range(self._n_workers):
            self._give(_Member(None), queue, under_way)
        while under_way:
            done, _ = self._ray.wait(list(under_way), num_returns=1)
            member = under_way.pop(done[0])
            assert member.index is not None
            index, result = member.index, self._result(done[0], member)
            if isinstance(result, WrongCall):
                self.close()
                raise InputError(result.message)
            self._give(member, queue, under_way)
            yield index, result

    def _give(self, member: _Member, queue: Iterator[tuple[int, T]], under_way: dict[Any, _Member]) -> None:
        """Hand the next task to an idle worker, if there is one left."""
        for index, task in queue:
            if member.actor is None:
                member.actor = self._hire(self._setup)
                self._members.append(member)
            member.index = index
            under_way[member.actor.do.remote(task)] = member
            return

    def _result(self, reference: Any, member: _Member) -> Any:
        """Return what a worker has answered; a worker that died is given up."""
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())
            self._n_failed_starts += not member.has_answered
            if self._n_failed_starts >= _MOST_FAILED_STARTS:
                raise EngineError(f"Workers die before they have done anything. The last: {reason}") from error
            self._members.remove(member)
            member.actor, member.has_answered = None, False
            return Failed(f"the worker died ({reason})", died=True)
        member.has_answered, self._n_failed_starts = True, 0
        return result

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        for member in self._members:
            self._ray.kill(member.actor)
        self._members = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


__all__ = ["RayPool"]
