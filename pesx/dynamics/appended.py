"""Files that grow at their end, hold whole frames only, and can be cut back to any size they had."""

import os
from dataclasses import dataclass
from pathlib import Path

from pesx.dynamics.formats.format import Format
from pesx.dynamics.snapshot import Track
from pesx.errors import RunFolderError


@dataclass(frozen=True)
class Appended:
    """One file of one replica. It is opened for each addition, because there may be more replicas than open files.

    Attributes:
        path: Of the file.
        format: Of its bytes.
    """

    path: Path
    format: Format

    def add(self, track: Track) -> None:
        """Append frames, all or none.

        Raises:
            OSError: They could not be written; the file is as it was before.
        """
        data = self.format.encode(track)
        append_whole(self.path, data if self.size() else self.format.header() + data)
        self.format.mend(self.path)

    def size(self) -> int:
        """Return the bytes there are."""
        return self.path.stat().st_size if self.path.exists() else 0

    def cut(self, size: int) -> None:
        """Cut the file back to a size that it had.

        Raises:
            RunFolderError: It is shorter than that.
        """
        there = self.size()
        if there < size:
            raise RunFolderError(
                f"Expected {size} bytes or more in {self.path}, which were there at the last checkpoint; came {there}. "
                "The file was changed: start a new run in another folder."
            )
        if size == 0:
            self.path.unlink(missing_ok=True)
        else:
            os.truncate(self.path, size)
            self.format.mend(self.path)

    def save(self) -> None:
        """Wait until what was written is on the disk."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    def finish(self) -> None:
        """Turn the file into what people read, where that is another one."""
        if self.path.exists():
            self.format.finish(self.path)


def append_whole(path: Path, data: bytes) -> None:
    """Append all of it or nothing; a full disk may take a part before it refuses.

    Raises:
        OSError: It could not be written; the file is as it was before.
    """
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(file.fileno(), view) :]
        except BaseException as error:
            os.ftruncate(file.fileno(), size)
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise


__all__ = ["Appended", "append_whole"]
