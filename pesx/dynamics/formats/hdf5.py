"""Trajectories as HDF5 in MDTraj's form: coordinates in nm, velocities in nm/ps, energies in kJ/mol, and the topology.

An HDF5 file that is being written does not survive a kill. So frames are first appended to a plain file of records, and the
HDF5 file is made of it, whole, whenever the run stops in good order.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pesx.dynamics.snapshot import Array, Track
from pesx.errors import MissingExtraError
from pesx.units import KJ_PER_MOL
from pesx.versions import version_of

_NM = 0.1
"""An angstrom in nm."""
_NM_PER_PS = 100.0
"""An angstrom/fs in nm/ps."""
_FRAMES_AT_ONCE = 1000


@dataclass(frozen=True)
class Hdf5:
    """What becomes HDF5 (a :class:`~pesx.dynamics.formats.format.Format`).

    Attributes:
        n_atoms: Of the molecule.
        topology: As :meth:`~pesx.dynamics.topology.Topology.as_mdtraj` gives it.

    Raises:
        MissingExtraError: h5py is not installed.
    """

    n_atoms: int
    topology: Mapping[str, Any]
    suffix: str = ".frames"

    def __post_init__(self) -> None:
        _library()

    def header(self) -> bytes:
        """Return nothing: there is none."""
        return b""

    def encode(self, track: Track) -> bytes:
        """Return frames as records."""
        records = np.empty(len(track.time), dtype=self._record)
        records["time"], records["temperature"] = track.time, track.temperature
        records["potential"], records["kinetic"] = track.potential / KJ_PER_MOL, track.kinetic / KJ_PER_MOL
        records["coordinates"] = _NM * track.positions
        records["velocities"] = _NM_PER_PS * track.velocities
        return records.tobytes()

    def mend(self, path: Path) -> None:
        """Nothing has to be made true."""

    def finish(self, path: Path) -> None:
        """Make the HDF5 file of the records; they stay, because the run may go on."""
        size = self._record.itemsize
        n_frames = path.stat().st_size // size
        out = path.with_suffix(".h5")
        partial = out.with_name(out.name + ".partial")
        try:
            with _library().File(partial, "w") as file, path.open("rb") as records:
                columns = self._prepared(file, n_frames)
                for start in range(0, n_frames, _FRAMES_AT_ONCE):
                    part = np.frombuffer(records.read(size * _FRAMES_AT_ONCE), dtype=self._record)
                    for name, column in columns.items():
                        column[start : start + len(part)] = part[name]
            os.replace(partial, out)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    @property
    def _record(self) -> np.dtype[Any]:
        shape = (self.n_atoms, 3)
        scalars = [(name, "<f8") for name in ("time", "temperature", "potential", "kinetic")]
        return np.dtype([*scalars, ("coordinates", "<f4", shape), ("velocities", "<f4", shape)])

    def _prepared(self, file: Any, n_frames: int) -> dict[str, Any]:
        """Write what is there once, and return the columns by the name of what goes into them."""
        for key, value in {
            "conventions": "Pande",
            "conventionVersion": "1.1",
            "program": "pesx",
            "programVersion": version_of("pesx"),
            "application": "pesx md",
        }.items():
            file.attrs[key] = np.bytes_(value)
        text: Array = np.array([json.dumps(self.topology).encode()])
        file.create_dataset("topology", data=text)
        columns = {}
        for source, name, unit, shape in (
            ("coordinates", "coordinates", "nanometers", (self.n_atoms, 3)),
            ("velocities", "velocities", "nanometers/picosecond", (self.n_atoms, 3)),
            ("time", "time", "picoseconds", ()),
            ("potential", "potentialEnergy", "kilojoules_per_mole", ()),
            ("kinetic", "kineticEnergy", "kilojoules_per_mole", ()),
            ("temperature", "temperature", "kelvin", ()),
        ):
            column = file.create_dataset(
                name,
                shape=(n_frames, *shape),
                maxshape=(None, *shape),
                chunks=(min(max(n_frames, 1), 100), *shape),
                dtype="f4",
                compression="gzip",
                compression_opts=1,
            )
            column.attrs["units"] = np.bytes_(unit)
            columns[source] = column
        return columns


def _library() -> Any:
    try:
        return import_module("h5py")
    except ImportError as error:
        raise MissingExtraError("h5py", "hdf5") from error


__all__ = ["Hdf5"]
