"""Work on the processor: whole tasks on threads of their own, and none of torch's own threads inside them.

PyTorch would split every small operation over all cores. Its threads wait for one another by spinning, so on two cores of which
another program takes one, a network evaluation was measured at sixty times what one thread needs. Tasks that share nothing
need no waiting, and torch lets go of the interpreter while it computes.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let torch use one thread per operation within the ``with`` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_all(work: Callable[[T], R], tasks: Sequence[T], *, n_threads: int) -> list[R]:
    """Do all tasks and return their results in order.

    Args:
        work: Does a task; must not share anything that it changes with other tasks.
        tasks: What to do.
        n_threads: Tasks at once.
    """
    with one_thread_each():
        if n_threads < 2 or len(tasks) < 2:
            return [work(task) for task in tasks]
        with ThreadPoolExecutor(min(n_threads, len(tasks))) as pool:
            return list(pool.map(work, tasks))
