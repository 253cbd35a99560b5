"""Trajectories from any code, read frame by frame in bounded memory, with what they say beside positions.

What MDTraj reads is read through it; MDTraj's own HDF5 and extended XYZ are read here, because they hold velocities,
temperatures and energies that MDTraj drops.
"""

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import ase.io
import ase.units
import mdtraj
import numpy as np
import torch

from pesx.errors import InputError, MissingExtraError
from pesx.monitors import Frame
from pesx.units import KJ_PER_MOL

_NM = 10.0
_NM_PER_PS = 1e-2
"""Angstrom/fs."""

_AKMA = 0.0488882129
"""ps; the unit of time in DCD files."""

_TIMELESS = (".dcd", ".xyz", ".pdb", ".mdcrd", ".crd", ".binpos", ".lammpstrj", ".arc")
"""Formats that do not say when a frame was; for the first, the header may."""

_FULL_CHUNK = 1000
_MOST_NUMBERS = 4_000_000
"""Most coordinates at a time: 16 MB."""


@dataclass(frozen=True)
class Truncation:
    """The end of a file that should not be there.

    Attributes:
        frame: Number of the frame that cannot be read.
        sentence: For people.
    """

    frame: int
    sentence: str


Piece = Frame | Truncation


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One file, the frames of one replica.

    Attributes:
        path: Of the file.
        topology: Of MDTraj; for files without their own.
        interval: Between frames, ps; None for what the file says.
        chunk: Frames at a time; None for as many as take little memory.
    """

    path: Path
    topology: Any
    interval: float | None = None
    chunk: int | None = None

    def pieces(self) -> Iterator[Piece]:
        """Yield the frames in pieces, one row per time; and last, where the file ends within a frame, that it does.

        Raises:
            InputError: The file cannot be read at all, has other atoms, or does not say its times.
        """
        if not self.path.is_file():
            raise InputError(f"Expected a trajectory; came {str(self.path)!r}, which does not exist. Check the path.")
        n_atoms = self.topology.n_atoms
        chunk = self.chunk or max(1, min(_FULL_CHUNK, _MOST_NUMBERS // (3 * n_atoms)))
        suffix = self.path.suffix.lower()
        if suffix == ".extxyz" or (suffix == ".xyz" and _is_extended(self.path)):
            pieces = _extxyz(self.path, n_atoms, chunk)
        elif suffix in (".h5", ".hdf5"):
            pieces = _hdf5(self.path, n_atoms, chunk)
        else:
            pieces = _mdtraj(self.path, self.topology, chunk)
        yield from self._timed(pieces, suffix)

    def _timed(self, pieces: Iterator[Piece], suffix: str) -> Iterator[Piece]:
        interval, start, n_before, last = self.interval, 0.0, 0, -np.inf
        if interval is None and suffix == ".dcd":
            start, interval = _dcd_times(self.path)
        for piece in pieces:
            if isinstance(piece, Truncation):
                yield piece
                continue
            is_timeless = suffix in _TIMELESS or bool(torch.isnan(piece.time).any())
            if interval is None and is_timeless:
                raise InputError(
                    f"{self.path}: expected the time of each frame, which the file does not say. Give the time between frames "
                    "with --interval, such as 10fs."
                )
            if interval is not None:
                numbers = torch.arange(n_before, n_before + len(piece.time), dtype=torch.float64)
                piece = Frame(
                    piece.positions, start + interval * numbers, piece.velocities, piece.temperature, piece.energy
                )
            times = np.concatenate([[last], piece.time.numpy()])
            if not (np.diff(times) > 0).all():
                where = n_before + int(np.argmin(np.diff(times) > 0))
                raise InputError(
                    f"{self.path}, frame {where}: expected a time after that of the frame before; came "
                    f"{times[where - n_before + 1]} ps. Give the time between frames with --interval."
                )
            n_before, last = n_before + len(piece.time), float(times[-1])
            yield piece
        if n_before == 0:
            raise InputError(f"{self.path}: expected frames; came none. Check how it was written.")


def _mdtraj(path: Path, topology: Any, chunk: int) -> Iterator[Piece]:
    """Yield what MDTraj reads; after an error in the middle, the frames before it one by one."""
    n_read = 0
    for size in (chunk, 1):
        try:
            for loaded in _iterload(path, topology, size, skip=n_read):
                n_read += len(loaded)
                yield _from_mdtraj(loaded)
            break
        except (OSError, RuntimeError, ValueError, IndexError, TypeError, EOFError) as error:
            if size == 1:
                if n_read == 0:
                    raise InputError(
                        f"{path}: expected a trajectory of {topology.n_atoms} atoms that MDTraj reads; came one that it cannot "
                        f"read ({_first_line(error)}). Check format and topology."
                    ) from error
                yield Truncation(n_read, f"The file ends within frame {n_read}, or is damaged there.")
                return
    if path.suffix.lower() == ".dcd" and (rest := _dcd_rest(path)):
        yield Truncation(n_read, f"The file ends {rest} bytes into frame {n_read}.")


def _iterload(path: Path, topology: Any, chunk: int, *, skip: int) -> Iterator[Any]:
    takes_topology = path.suffix.lower() not in (".pdb", ".gro")
    yield from mdtraj.iterload(str(path), chunk=chunk, skip=skip, **({"top": topology} if takes_topology else {}))


def _from_mdtraj(loaded: Any) -> Frame:
    if loaded.unitcell_lengths is not None and loaded.topology.n_bonds:
        loaded = loaded.make_molecules_whole()
    return Frame(
        torch.from_numpy(loaded.xyz * np.float32(_NM)), torch.from_numpy(np.asarray(loaded.time, dtype=np.float64))
    )


def _dcd_header(path: Path) -> tuple[np.ndarray, float, int, int]:
    """Return the control numbers, the time step in its unit, the size of the header, and the size of a frame, bytes."""
    with path.open("rb") as file:
        first = file.read(92)
        order = "<" if struct.unpack("<i", first[:4])[0] == 84 else ">"
        control = np.frombuffer(first[8:88], dtype=f"{order}i4")
        step = float(np.frombuffer(first[44:48], dtype=f"{order}f4")[0])
        (title,) = struct.unpack(f"{order}i", file.read(4))
        file.seek(title + 4, 1)
        _, n_atoms, _ = struct.unpack(f"{order}3i", file.read(12))
        head = file.tell()
    return control, step, head, 3 * (4 * n_atoms + 8) + (56 if control[10] else 0)


def _dcd_times(path: Path) -> tuple[float, float | None]:
    """Return the time of the first frame and the interval, ps; None where the header has nothing believable."""
    try:
        control, step, _, _ = _dcd_header(path)
    except (OSError, struct.error, IndexError, ValueError):
        return 0.0, None
    # MDTraj writes 1, which it does not mean.
    is_told = np.isfinite(step) and 1e-6 < step < 1.0 and control[2] > 0
    return 0.0, _rounded(step * int(control[2]) * _AKMA) if is_told else None


def _rounded(interval: float) -> float:
    """Return an interval without the rounding of the single precision in which it was written."""
    return float(f"{interval:.5g}")


def _dcd_rest(path: Path) -> int:
    """Return how many bytes there are behind the last whole frame."""
    _, _, head, size = _dcd_header(path)
    return (path.stat().st_size - head) % size


def _hdf5(path: Path, n_atoms: int, chunk: int) -> Iterator[Piece]:
    """Yield frames of MDTraj's HDF5 convention: nm, ps, nm/ps, K, kJ/mol."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "hdf5") from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path}: expected an HDF5 file; came one that is cut short or none ({_first_line(error)})."
        ) from error
    with file:
        if "coordinates" not in file or file["coordinates"].shape[1:] != (n_atoms, 3):
            raise InputError(
                f"{path}: expected coordinates of {n_atoms} atoms as MDTraj writes them; came none or others. Check the "
                "topology."
            )
        n_frames = len(file["coordinates"])

        def read(name: str, rows: slice, factor: float = 1.0) -> torch.Tensor | None:
            if name not in file or len(file[name]) != n_frames:
                return None
            return torch.from_numpy(np.asarray(file[name][rows]) * np.float64(factor))

        for start in range(0, n_frames, chunk):
            rows = slice(start, min(start + chunk, n_frames))
            time = read("time", rows)
            potential, kinetic = read("potentialEnergy", rows, KJ_PER_MOL), read("kineticEnergy", rows, KJ_PER_MOL)
            velocities = read("velocities", rows, _NM_PER_PS)
            yield Frame(
                torch.from_numpy(file["coordinates"][rows].astype(np.float32) * np.float32(_NM)),
                torch.full((rows.stop - start,), torch.nan, dtype=torch.float64)
                if time is None
                else time.to(torch.float64),
                None if velocities is None else velocities.to(torch.float32),
                read("temperature", rows),
                None if potential is None or kinetic is None else potential + kinetic,
            )


def _is_extended(path: Path) -> bool:
    with path.open(errors="replace") as file:
        return "Properties=" in "".join(islice(file, 2))


def _extxyz(path: Path, n_atoms: int, chunk: int) -> Iterator[Piece]:
    """Yield frames of extended XYZ: angstrom; time in ps from ``time_ps`` or fs from ``time``."""
    n_read = 0
    with path.open(errors="replace") as file:
        while True:
            texts, is_cut = _blocks(file, n_atoms, chunk, where=f"{path}, frame {n_read}")
            if texts:
                try:
                    frames = ase.io.read(io.StringIO("".join(texts)), index=":", format="extxyz")
                except (ValueError, KeyError, IndexError, ase.io.ParseError) as error:
                    raise InputError(
                        f"{path}, frames {n_read} to {n_read + len(texts) - 1}: expected extended XYZ; came text that ASE "
                        f"cannot read ({_first_line(error)}). Correct it."
                    ) from error
                n_read += len(texts)
                yield _from_ase(frames)
            if is_cut:
                yield Truncation(n_read, f"The file ends within frame {n_read}.")
            if is_cut or len(texts) < chunk:
                return


def _blocks(file: TextIO, n_atoms: int, chunk: int, *, where: str) -> tuple[list[str], bool]:
    """Return the texts of the next whole frames, and whether the file ends within the one after them."""
    texts: list[str] = []
    while len(texts) < chunk:
        count = file.readline()
        if not count.strip():
            return texts, False
        if not count.strip().isdigit() or int(count) != n_atoms:
            if not count.endswith("\n"):
                return texts, True
            raise InputError(
                f"{where} or after: expected the number of atoms, {n_atoms}; came {count.strip()!r}. Check file and topology."
            )
        lines = list(islice(file, n_atoms + 1))
        n_columns = len(lines[1].split()) if len(lines) > 1 else 0
        if len(lines) < n_atoms + 1 or len(lines[-1].split()) < n_columns or not _is_whole(lines[-1]):
            return texts, True
        texts.append(count + "".join(lines))
    return texts, False


def _is_whole(line: str) -> bool:
    """Return whether a last line was written to its end; one without a newline may lack digits."""
    return line.endswith("\n")


def _from_ase(frames: list[Any]) -> Frame:
    def told(read: Callable[[Any], Any]) -> torch.Tensor | None:
        values = [read(atoms) for atoms in frames]
        return None if any(value is None for value in values) else torch.tensor(np.array(values, dtype=np.float64))

    def energy(atoms: Any) -> float | None:
        potential = _said(atoms, "energy")
        kinetic = _said(atoms, "kinetic_energy")
        if kinetic is None and "momenta" in atoms.arrays:
            kinetic = atoms.get_kinetic_energy()
        return None if potential is None or kinetic is None else float(potential) + float(kinetic)

    def time(atoms: Any) -> float:
        if (ps := _said(atoms, "time_ps")) is not None:
            return float(ps)
        return float(atoms.info.get("time", np.nan)) * 1e-3

    return Frame(
        torch.from_numpy(np.array([atoms.positions for atoms in frames], dtype=np.float32)),
        torch.tensor([time(atoms) for atoms in frames], dtype=torch.float64),
        told(_velocities),
        told(lambda atoms: _said(atoms, "temperature")),
        told(energy),
    )


def _velocities(atoms: Any) -> np.ndarray | None:
    if "momenta" in atoms.arrays:
        return np.asarray(atoms.get_velocities() * ase.units.fs)
    return atoms.arrays.get("velocities")


def _said(atoms: Any, name: str) -> Any:
    if atoms.calc is not None and name in atoms.calc.results:
        return atoms.calc.results[name]
    return atoms.info.get(name)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


__all__ = ["Piece", "Trajectory", "Truncation"]
