"""What a definition of a failure is: conditions that begin and end it, and words for it."""

from dataclasses import dataclass
from typing import Protocol

from pesx.monitors.cause import Cause
from pesx.monitors.view import View
from pesx.typing import Bool, Tensor


@dataclass(frozen=True)
class Signs:
    """Where something begins and where it ends; in between it stays what it was.

    Attributes:
        begins: Per row of the view and thing that is watched.
        ends: The same.
    """

    begins: Bool[Tensor, "B K"]
    ends: Bool[Tensor, "B K"]


@dataclass(frozen=True)
class Finding:
    """What is to be said about one thing in one row; see :class:`~pesx.monitors.frame.Event`."""

    atoms: tuple[int, ...]
    value: float
    sentence: str


class Definition(Protocol):
    """One way to fail, for K things of a molecule: each bond, each centre, or the molecule as a whole."""

    @property
    def cause(self) -> Cause:
        """What is told."""
        ...

    @property
    def persistence(self) -> float:
        """How long it must last to count, ps."""
        ...

    @property
    def n_things(self) -> int:
        """How many things are watched, K."""
        ...

    def signs(self, view: View) -> Signs:
        """Return where it begins and where it ends; a row with NaN does neither."""
        ...

    def find(self, view: View, row: int, thing: int) -> Finding:
        """Return what is to be said about one thing in one row."""
        ...


__all__ = ["Definition", "Finding", "Signs"]
