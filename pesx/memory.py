"""Work that does not fit the memory is done in smaller parts."""

from collections.abc import Callable
from typing import TypeVar

import torch

R = TypeVar("R")

_WORDS = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch says of it on a CPU, where it has no exception of its own for it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory is too small."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def halving(work: Callable[[int], R], size: int) -> tuple[R, int]:
    """Do some work in parts of a size, or of half that size, and so on, until they fit the memory.

    Args:
        work: Does all of it in parts of the given size.
        size: To begin with.

    Returns:
        The result, and the size that fits.

    Raises:
        MemoryError: Not even parts of size 1 fit.
    """
    while True:
        try:
            return work(size), size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            told = str(error)
        # Only here: what the exception holds on to has been let go.
        if size == 1:
            raise MemoryError(f"Expected memory for one replica at least; there is none. {told}")
        size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class DeviceMemory:
    """The memory of a GPU, as the allocator counts it.

    Args:
        device: A GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def free(self) -> int:
        """Return the bytes that could still be taken."""
        free, _ = torch.cuda.mem_get_info(self._device)
        kept = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return free + kept

    def taken_by(self, work: Callable[[], R]) -> tuple[R, int]:
        """Do some work; return its result and the bytes that it held at most."""
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        result = work()
        return result, torch.cuda.max_memory_allocated(self._device) - before


def rows_that_fit(free: int, taken: int, n_rows: int) -> int:
    """Return how many rows fit the memory, with something left over; at least one.

    Args:
        free: Bytes.
        taken: Bytes that some rows held at most.
        n_rows: How many rows these were.
    """
    return max(1, int(SHARE * free * n_rows / max(1, taken)))


SHARE = 0.7
"""Of the free memory: an allocator cannot use every gap, and others may be on the device."""

__all__ = ["DeviceMemory", "halving", "is_out_of_memory", "rows_that_fit"]
