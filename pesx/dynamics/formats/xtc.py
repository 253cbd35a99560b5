"""Trajectories as XTC of GROMACS: coordinates in nm, compressed to 0.001 nm. MDTraj writes the frames.

An XTC file is its frames one after another, without a header, so what MDTraj wrote elsewhere can be appended.
"""

import os
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pesx.dynamics.snapshot import Track

_NM = 0.1
"""An angstrom in nm."""


@dataclass(frozen=True)
class Xtc:
    """XTC of a molecule in vacuum (a :class:`~pesx.dynamics.formats.format.Format`).

    Attributes:
        timestep: fs.
        folder: Where MDTraj puts the frames before they are appended; on the disk of the trajectories, so that this one alone
            can be full.
    """

    timestep: float
    folder: Path
    suffix: str = ".xtc"

    def __post_init__(self) -> None:
        _writer()

    def header(self) -> bytes:
        """Return nothing: there is none."""
        return b""

    def encode(self, track: Track) -> bytes:
        """Return frames as bytes.

        Raises:
            OSError: They could not be written.
        """
        n_frames = len(track.time)
        handle, name = tempfile.mkstemp(suffix=self.suffix, dir=self.folder)
        os.close(handle)
        try:
            with _writer()(name, "w", force_overwrite=True) as file:
                file.write(
                    (_NM * track.positions).astype(np.float32),
                    time=track.time.astype(np.float32),
                    step=np.rint(track.time * 1000 / self.timestep).astype(np.int32),
                    box=np.zeros((n_frames, 3, 3), dtype=np.float32),
                )
            data = Path(name).read_bytes()
        finally:
            Path(name).unlink()
        # MDTraj closes the file without asking whether all of it was written.
        if _count(data) != n_frames:
            raise OSError(28, os.strerror(28), str(self.folder))
        return data

    def mend(self, path: Path) -> None:
        """Nothing has to be made true."""

    def finish(self, path: Path) -> None:
        """Nothing is left to do."""


def _writer() -> Any:
    # Not at the top: it takes half a second.
    return import_module("mdtraj.formats").XTCTrajectoryFile


_MAGIC = 1995
_HEAD = 4 * (4 + 9)
"""Bytes of magic number, number of atoms, step, time and box."""
_UNCOMPRESSED = 9
"""Up to so many atoms coordinates are plain floats."""


def _count(data: bytes) -> int:
    """Return the number of whole frames, -1 where the bytes end within one."""
    place, n_frames = 0, 0
    while place + _HEAD + 4 <= len(data):
        magic, n_atoms = np.frombuffer(data, ">i4", 2, place)
        if magic != _MAGIC:
            return -1
        if n_atoms <= _UNCOMPRESSED:
            place += _HEAD + 4 + 12 * int(n_atoms)
        else:
            at_length = place + _HEAD + 4 * 9
            if at_length + 4 > len(data):
                return -1
            length = int(np.frombuffer(data, ">i4", 1, at_length)[0])
            place = at_length + 4 + (length + 3) // 4 * 4
        n_frames += 1
    return n_frames if place == len(data) else -1


__all__ = ["Xtc"]
