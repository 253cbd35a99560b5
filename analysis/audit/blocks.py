"""Sums over blocks of a stream of unknown length, in bounded memory: when there are too many blocks, pairs become one.

At the end there are between half of the most and the most blocks of equal length, and a rest: enough for standard errors that
allow for correlation, and for comparing the start with what follows.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    S = TypeVar("S", bound=DataclassInstance)
else:
    S = TypeVar("S")

MOST_BLOCKS = 32


class Blocks(Generic[S]):
    """Blocks of sums; ``S`` is a dataclass of numbers and arrays that add up.

    Args:
        length: Frames in a block to begin with.
    """

    def __init__(self, length: int = 16) -> None:
        self.length = length
        self.whole: list[S] = []
        self.rest: S | None = None
        self._n_rest = 0

    def cuts(self, n_frames: int) -> Iterator[tuple[int, int]]:
        """Yield where to cut the next frames so that each part is in one block; add each part before asking for the next."""
        start = 0
        while start < n_frames:
            stop = min(n_frames, start + self.length - self._n_rest)
            yield start, stop
            start = stop

    def add(self, sums: S, n_frames: int) -> None:
        """Add the sums over frames that are in one block; see :meth:`cuts`."""
        self.rest = sums if self.rest is None else added(self.rest, sums)
        self._n_rest += n_frames
        if self._n_rest < self.length:
            return
        self.whole.append(self.rest)
        self.rest, self._n_rest = None, 0
        if len(self.whole) == MOST_BLOCKS:
            self.whole = [added(a, b) for a, b in zip(self.whole[::2], self.whole[1::2], strict=True)]
            self.length *= 2

    def total(self) -> S | None:
        """Return the sums over all frames; None before the first."""
        parts = self.whole + ([] if self.rest is None else [self.rest])
        return None if not parts else sum_of(parts)

    def halves(self) -> tuple[S, S] | None:
        """Return the sums over the first half of the whole blocks and over the rest; None of fewer than two."""
        if len(self.whole) < 2:
            return None
        middle = len(self.whole) // 2
        return sum_of(self.whole[:middle]), sum_of(self.whole[middle:])


def added(a: S, b: S) -> S:
    """Return the sums over the frames of both."""
    values: dict[str, Any] = {item.name: getattr(a, item.name) + getattr(b, item.name) for item in fields(a)}
    return type(a)(**values)


def sum_of(parts: list[S]) -> S:
    """Return the sums over the frames of all."""
    total = parts[0]
    for part in parts[1:]:
        total = added(total, part)
    return total


__all__ = ["MOST_BLOCKS", "Blocks", "added", "sum_of"]
