"""What a format of trajectories is."""

from pathlib import Path
from typing import Protocol

from pesx.dynamics.snapshot import Track


class Format(Protocol):
    """A file that grows by appending, so that it can be cut back to any frame: a header, then frames."""

    @property
    def suffix(self) -> str:
        """Of the file while it grows, with the dot."""
        ...

    def header(self) -> bytes:
        """Return what the file begins with."""
        ...

    def encode(self, track: Track) -> bytes:
        """Return frames as bytes."""
        ...

    def mend(self, path: Path) -> None:
        """Make the header true after frames were appended or cut off."""
        ...

    def finish(self, path: Path) -> None:
        """Turn a file that has stopped growing into what people read, where that is another one."""
        ...


__all__ = ["Format"]
