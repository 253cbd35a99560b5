"""The folder of a run of dynamics: what is in it, and that one process at a time writes to it."""

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pesx.dynamics.appended import Appended
from pesx.dynamics.checkpoint import FILE_NAME as CHECKPOINT
from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.formats.energies import Energies
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.formats.format import Format
from pesx.dynamics.formats.hdf5 import Hdf5
from pesx.dynamics.formats.xtc import Xtc
from pesx.dynamics.record import EVENTS, replica_name
from pesx.dynamics.settings import DynamicsSettings
from pesx.dynamics.topology import Topology
from pesx.errors import InputError, RunFolderError

LOCK = "md.lock"
_WRITTEN = ("config.toml", "provenance.json", "topology.pdb", "trajectories", "energies", "events", EVENTS)


@dataclass(frozen=True)
class Lock:
    """The right to write to a run folder; the system takes it back when the process ends, however it ends.

    Attributes:
        file: Descriptor of the file that is locked.
    """

    file: int

    @classmethod
    def held(cls, folder: Path) -> "Lock":
        """Take the right to write to a folder.

        Raises:
            RunFolderError: Another process has it.
        """
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise RunFolderError(
                f"Expected {folder} to be free; another process is writing to it. Wait for it, or choose another folder."
            ) from error
        return cls(file)

    def release(self) -> None:
        """Give the right back."""
        os.close(self.file)


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds a run, or files that a run would write over.

    Raises:
        InputError: It does.
    """
    if (folder / CHECKPOINT).exists():
        raise InputError(f"Expected a folder without a run; {folder} holds one. Add --resume, or choose another --out.")
    there = [name for name in _WRITTEN if (folder / name).exists()]
    if there:
        raise InputError(
            f"Expected a folder of its own for a new run; {folder} holds {', '.join(there)}, which the run would write "
            "over. Choose another folder with --out, or move that away."
        )


def files_of(folder: Path, settings: DynamicsSettings, topology: Topology) -> Mapping[int, Sequence[Appended]]:
    """Return the files of each replica: trajectory and energies.

    Args:
        folder: The run folder.
        settings: With the format of the trajectories.
        topology: Of the molecule.

    Raises:
        MissingExtraError: What writes the format is not installed.
    """
    trajectories = folder / "trajectories"
    kind = _format(settings, topology, trajectories)
    table = Energies()
    return {
        number: (
            Appended(trajectories / (replica_name(number) + kind.suffix), kind),
            Appended(folder / "energies" / (replica_name(number) + table.suffix), table),
        )
        for number in range(len(settings.temperatures))
    }


def _format(settings: DynamicsSettings, topology: Topology, folder: Path) -> Format:
    molecule = topology.molecule
    if settings.format == "xtc":
        return Xtc(settings.timestep, folder)
    if settings.format == "hdf5":
        return Hdf5(molecule.n_atoms, topology.as_mdtraj())
    if settings.format == "extxyz":
        return Extxyz(molecule.symbols, molecule.charge, molecule.multiplicity)
    return Dcd(molecule.n_atoms, settings.timestep, settings.steps_between_frames)


__all__ = ["LOCK", "Lock", "files_of", "require_empty"]
