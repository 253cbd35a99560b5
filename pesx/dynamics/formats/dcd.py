"""Trajectories as DCD, in the CHARMM form that MDTraj, VMD and OpenMM read: float32 coordinates in angstrom.

Written here because the writers of other packages cannot append, and leave out the time between frames.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pesx.dynamics.snapshot import Track

_AKMA = 48.88821
"""fs in the unit of time of CHARMM."""

_CHARMM = 24
"""Version of CHARMM whose form this is: the time step is float32 at its place."""

_COUNT_AT = 8
"""Place of the number of frames in the header."""

_LINE = 80


@dataclass(frozen=True)
class Dcd:
    """DCD of a molecule in vacuum (a :class:`~pesx.dynamics.formats.format.Format`).

    Attributes:
        n_atoms: Of the molecule.
        timestep: fs.
        every: Steps between frames.
    """

    n_atoms: int
    timestep: float
    every: int
    suffix: str = ".dcd"

    def header(self) -> bytes:
        """Return the header of a file without frames."""
        control = np.zeros(20, dtype="<i4")
        control[2], control[19] = self.every, _CHARMM
        control[9:10].view("<f4")[0] = self.timestep / _AKMA
        title = b"pesx: angstrom; time from 0".ljust(_LINE)
        return b"".join(
            _record(body)
            for body in (
                b"CORD" + control.tobytes(),
                struct.pack("<i", 1) + title,
                struct.pack("<i", self.n_atoms),
            )
        )

    def encode(self, track: Track) -> bytes:
        """Return frames as bytes."""
        length = np.full((len(track.time), 3, 1), 4 * self.n_atoms, dtype="<i4").view("<f4")
        columns = track.positions.transpose(0, 2, 1).astype("<f4")
        return np.concatenate([length, columns, length], axis=2).tobytes()

    def mend(self, path: Path) -> None:
        """Write the number of frames into the header."""
        n_frames = (path.stat().st_size - len(self.header())) // self._frame_size
        with path.open("r+b") as file:
            os.pwrite(file.fileno(), struct.pack("<i", n_frames), _COUNT_AT)

    def finish(self, path: Path) -> None:
        """Nothing is left to do."""

    @property
    def _frame_size(self) -> int:
        return 3 * (4 * self.n_atoms + 8)


def _record(body: bytes) -> bytes:
    """Return a Fortran record: the length before and after."""
    length = struct.pack("<i", len(body))
    return length + body + length


__all__ = ["Dcd"]
