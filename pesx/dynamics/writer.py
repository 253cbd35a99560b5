"""A thread that writes trajectories while the replicas go on, through a queue that is short, so that memory stays bounded."""

import queue
import threading
from collections.abc import Mapping, Sequence
from typing import Self

from pesx.dynamics.appended import Appended
from pesx.dynamics.snapshot import Snapshot, tracks

_LONGEST_WAIT = 2.0
"""Seconds after which frames are written though there are few of them."""

_LOOK_EVERY = 0.5
"""Seconds between two looks at whether the thread still lives, while the queue is full."""


class Writer:
    """Writes snapshots to the files of their replicas; a context manager.

    An error of the thread, such as a full disk, comes out of the next call of :meth:`put` or :meth:`drain`. All files hold
    whole frames then.

    Args:
        files: Those of each replica.
        capacity: Snapshots that may wait; :meth:`put` waits where there are more.
        at_once: Snapshots that are written together.
    """

    def __init__(self, files: Mapping[int, Sequence[Appended]], *, capacity: int = 8, at_once: int = 16) -> None:
        self.files = files
        self._at_once = at_once
        self._queue: queue.Queue[Snapshot | threading.Event | None] = queue.Queue(capacity)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pesx-writer", daemon=True)

    def put(self, snapshot: Snapshot) -> None:
        """Hand over what is to be written.

        Raises:
            OSError: Something before could not be written.
        """
        self._hand(snapshot)

    def drain(self) -> None:
        """Wait until all that was handed over is written.

        Raises:
            OSError: Some of it could not be.
        """
        done = threading.Event()
        self._hand(done)
        while not done.wait(_LOOK_EVERY):
            self._check()
        self._check()

    def save(self) -> None:
        """Wait until all of it is on the disk, so that a power cut cannot take it away."""
        self.drain()
        for files in self.files.values():
            for file in files:
                file.save()

    def sizes(self) -> dict[str, int]:
        """Return the bytes in each file, by its name; call :meth:`drain` before."""
        return {_key(file): file.size() for files in self.files.values() for file in files}

    def cut(self, sizes: Mapping[str, int]) -> None:
        """Cut all files back to the sizes they had at a checkpoint; those that were not there yet go.

        Raises:
            RunFolderError: One is shorter than it was.
        """
        for files in self.files.values():
            for file in files:
                file.cut(sizes.get(_key(file), 0))

    def finish(self) -> None:
        """Turn the files into what people read, where that is another format."""
        self.drain()
        for files in self.files.values():
            for file in files:
                file.finish()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=_LOOK_EVERY)
                break
            except queue.Full:
                continue
        self._thread.join()

    def _hand(self, item: Snapshot | threading.Event) -> None:
        while True:
            self._check()
            try:
                self._queue.put(item, timeout=_LOOK_EVERY)
            except queue.Full:
                continue
            return

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if not self._thread.is_alive():
            raise RuntimeError("The writer is used outside of its with block.")

    def _run(self) -> None:
        waiting: list[Snapshot] = []
        while True:
            try:
                item = self._queue.get(timeout=_LONGEST_WAIT)
            except queue.Empty:
                self._write(waiting)
                continue
            if isinstance(item, Snapshot):
                waiting.append(item)
            if not isinstance(item, Snapshot) or len(waiting) >= self._at_once:
                self._write(waiting)
            if isinstance(item, threading.Event):
                item.set()
            if item is None:
                return

    def _write(self, waiting: list[Snapshot]) -> None:
        """Write and forget what waits; after an error only forget, so that nobody waits for the queue."""
        snapshots = waiting.copy()
        waiting.clear()
        if self._error is None:
            try:
                for replica, track in tracks(snapshots).items():
                    for file in self.files[replica]:
                        file.add(track)
            except BaseException as error:
                self._error = error


def _key(file: Appended) -> str:
    return f"{file.path.parent.name}/{file.path.name}"


__all__ = ["Writer"]
