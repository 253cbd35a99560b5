"""What a simulation leaves on disk: trajectories through the writer, events, the frames around them, checkpoints."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pesx.dynamics.appended import append_whole
from pesx.dynamics.checkpoint import FILE_NAME, Checkpoint
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.snapshot import Snapshot, Track
from pesx.dynamics.writer import Writer
from pesx.errors import RunFolderError
from pesx.monitors.frame import Event
from pesx.typing import Tensor

EVENTS = "events.jsonl"
AROUND = "events"
"""Folder of the frames around failures, a file for each replica that failed."""


@dataclass(frozen=True)
class Ended:
    """The first failure of a replica.

    Attributes:
        replica: Its number.
        frame: At which it began.
        time_ps: Of that frame.
        cause: Name of the cause.
        sentence: For people.
    """

    replica: int
    frame: int
    time_ps: float
    cause: str
    sentence: str


class Record:
    """The folder of a simulation while it runs.

    Args:
        folder: Exists, with a folder ``events``.
        writer: Of the trajectories.
        around: Format of the frames around events.
        constants: Plain values that every checkpoint holds.
    """

    def __init__(
        self, folder: Path, writer: Writer, around: Extxyz, constants: Mapping[str, Any] | None = None
    ) -> None:
        self.folder, self._writer, self._around, self._constants = folder, writer, around, constants or {}
        self.ended: dict[int, Ended] = {}

    def write(self, snapshot: Snapshot) -> None:
        """Hand a frame to the writer.

        Raises:
            OSError: Something before could not be written.
        """
        self._writer.put(snapshot)

    def tell(self, event: Event, *, replica: int, is_failure: bool, at: float) -> None:
        """Note an event; the first failure of a replica is why it ends.

        Args:
            event: Of the monitors.
            replica: Whose.
            is_failure: Whether it ends the replica.
            at: Time at which it was told, ps.

        Raises:
            OSError: It could not be written; the events before are intact.
        """
        line = event.as_json() | {"replica": replica, "told_at": round(at, 6), "is_failure": is_failure}
        append_whole(self.folder / EVENTS, (json.dumps(line) + "\n").encode())
        if is_failure and replica not in self.ended:
            self.ended[replica] = Ended(replica, event.frame, event.time, event.cause.name, event.sentence)

    def write_end(self, track: Track) -> None:
        """Write the frames around the failure of a replica."""
        path = self.folder / AROUND / f"{replica_name(int(track.replica[0]))}.extxyz"
        partial = path.with_name(path.name + ".partial")
        try:
            partial.write_bytes(self._around.encode(track))
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def checkpoint(self, tensors: dict[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write a checkpoint, once all that came before is on the disk.

        Raises:
            OSError: Something could not be written; the checkpoint before is intact.
        """
        self._writer.save()
        own = {
            "sizes": self._writer.sizes(),
            "events": self._events_size(),
            "ended": [asdict(ended) for ended in self.ended.values()],
        }
        Checkpoint(tensors, {**self._constants, **values, **own}).write(self.folder / FILE_NAME)

    def restore(self, values: Mapping[str, Any]) -> None:
        """Cut everything back to what it was at a checkpoint.

        Raises:
            RunFolderError: A file is shorter than it was.
        """
        if self._events_size() < values["events"]:
            raise RunFolderError(
                f"Expected {values['events']} bytes or more in {self.folder / EVENTS}; came {self._events_size()}. The file "
                "was changed: start a new run in another folder."
            )
        self._writer.cut(values["sizes"])
        if (self.folder / EVENTS).exists():
            os.truncate(self.folder / EVENTS, values["events"])
        self.ended = {item["replica"]: Ended(**item) for item in values["ended"]}

    def settle(self) -> None:
        """Wait for the writer, and turn its files into what people read."""
        self._writer.finish()

    def _events_size(self) -> int:
        path = self.folder / EVENTS
        return path.stat().st_size if path.exists() else 0


def replica_name(number: int) -> str:
    """Return how the files of a replica are named."""
    return f"replica_{number:04d}"


__all__ = ["AROUND", "EVENTS", "Ended", "Record", "replica_name"]
