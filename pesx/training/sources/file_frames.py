"""Frames of one file at one level of theory: chosen, converted to eV and angstrom, and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ase
import numpy as np
from numpy.typing import NDArray

from pesx.engines.engine import check_electrons
from pesx.errors import ConfigError, InputError
from pesx.training.dataset import HEAVIEST_ELEMENT
from pesx.training.sources.columns import Columns
from pesx.training.sources.plausible import require_plausible
from pesx.training.sources.settings import FileSettings
from pesx.training.sources.units import energy_factor, force_factor, length_factor

T = TypeVar("T")

BLOCK = 20
"""Frames in a row of a file in the order of time that are held out together."""

ALIKE = 0.5
"""Frames are in the order of time if those in a row are nearer to each other than this part of the distance of any two."""


@dataclass(frozen=True)
class _Molecule:
    name: str
    numbers: NDArray[np.int64]
    charge: int
    multiplicity: int
    frames: dict[str, Any]


class FileFrames:
    """Frames of a file, a :class:`pesx.training.dataset.FrameSource`.

    Args:
        settings: Of the file, with everything that its format fixes filled in.
        columns: What its reader brought, all of one level of theory.

    Raises:
        ConfigError: A unit or the level of theory is missing.
        InputError: A label is missing, not finite or of the wrong shape, the settings contradict the file, or the numbers
            cannot be of the units that the settings name.
    """

    def __init__(self, settings: FileSettings, columns: Sequence[Columns]) -> None:
        self._settings = settings
        said = columns[0].level if columns else ""
        self.level = _agreed("level", said or None, settings.level or None, f"{settings.path}") or ""
        if not self.level:
            raise ConfigError(
                f"{settings.path}: expected the level of theory of the labels, came none. "
                "Name it: level = ... in the data file."
            )
        rows = slice(settings.start, settings.stop, settings.step)
        self._molecules = [
            self._read(one, rows) for one in columns if self._is_wanted(one) and len(range(len(one))[rows])
        ]

    def molecules(self) -> list[tuple[int, str, list[int], int, int]]:
        """Return (id, name, atomic numbers, charge, multiplicity) of each molecule."""
        return [
            (number, one.name, one.numbers.tolist(), one.charge, one.multiplicity)
            for number, one in enumerate(self._molecules)
        ]

    def frames(self, molecule_id: int) -> Mapping[str, Any]:
        """Return the frames of one molecule; see :class:`pesx.training.dataset.FrameSource`."""
        return self._molecules[molecule_id].frames

    def _is_wanted(self, columns: Columns) -> bool:
        elements = self._settings.elements
        return not elements or bool(np.isin(columns.numbers, elements).all())

    def _read(self, columns: Columns, rows: slice) -> _Molecule:
        settings = self._settings
        _require_elements(columns.numbers, f"{settings.path}, {columns.name or 'frames'}")
        name = _agreed("name", columns.name or None, settings.name or None, settings.path)
        name = name or str(ase.Atoms(columns.numbers).get_chemical_formula())
        where = f"{settings.path}, molecule {name!r}"
        charge = _agreed("charge", columns.charge, settings.charge, where) or 0
        multiplicity = _agreed("multiplicity", columns.multiplicity, settings.multiplicity, where)
        multiplicity = 1 if multiplicity is None else multiplicity
        check_electrons(columns.numbers, charge, multiplicity, where=where)
        frames = self._converted(columns, rows, where=where)
        require_plausible(columns.numbers, frames, settings=settings, where=where)
        return _Molecule(name, columns.numbers, charge, multiplicity, frames)

    def _converted(self, columns: Columns, rows: slice, *, where: str) -> dict[str, Any]:
        settings = self._settings
        n_frames, n_atoms = len(columns), len(columns.numbers)
        number = (np.arange(n_frames) if columns.frame is None else columns.frame)[rows]
        shapes = {"positions": (n_frames, n_atoms, 3), "energy": (n_frames,), "forces": (n_frames, n_atoms, 3)}
        if np.shape(columns.positions)[1:] != (n_atoms, 3):
            raise InputError(
                f"{where}, positions: expected the shape (K, {n_atoms}, 3) of K frames, came {np.shape(columns.positions)}. "
                "Correct the file, or name another column by `keys`."
            )
        frames: dict[str, Any] = {"is_relative": bool(settings.relative)}
        for key, shape in shapes.items():
            is_asked = key == "positions" or key in (settings.labels or ())
            if not is_asked and settings.labels is not None:
                continue
            values = getattr(columns, key)
            chosen = None if values is None else _shaped(values, shape, where=f"{where}, {key}")[rows]
            if is_asked:
                missing = np.ones(len(number), dtype=np.bool_) if chosen is None else _is_missing(chosen)
                _require_all(missing, number, where=where, what=key)
            if chosen is not None:
                frames[key] = _finite(chosen, number, where=f"{where}, {key}") * self._factor(key)
        temperature = np.full(n_frames, np.nan) if columns.temperature is None else columns.temperature
        said = np.nan if settings.temperature is None else settings.temperature
        frames["temperature"] = np.where(np.isnan(temperature), said, temperature)[rows]
        frames["trajectory"] = self._trajectories(columns, frames["positions"], rows)
        return frames

    def _factor(self, key: str) -> float:
        settings = self._settings
        name = {"positions": "length_unit", "energy": "energy_unit", "forces": "force_unit"}[key]
        unit = getattr(settings, name)
        if not unit:
            raise ConfigError(
                f"{settings.path}: expected {name}, came none, and files of the format {settings.format} do not fix it. "
                "Name the unit."
            )
        if key == "positions":
            return length_factor(unit)
        if key == "energy":
            return energy_factor(unit)
        return -force_factor(unit) if settings.gradients else force_factor(unit)

    def _trajectories(self, columns: Columns, positions: NDArray[np.float64], rows: slice) -> NDArray[np.str_]:
        length = self._settings.trajectory_frames
        if length is None:
            length = 2 if self._settings.relative else BLOCK if _is_in_order_of_time(positions) else 1
        blocks = np.array([f"block {number // length}" for number in range(len(positions))], dtype=np.str_)
        if columns.trajectory is None:
            return blocks
        named = columns.trajectory[rows]
        return np.where(named == "", blocks, np.char.add("named ", named))


def _require_elements(numbers: NDArray[np.int64], where: str) -> None:
    if numbers.ndim != 1 or not np.all((numbers >= 1) & (numbers <= HEAVIEST_ELEMENT)):
        raise InputError(
            f"{where}: expected atomic numbers from 1 to {HEAVIEST_ELEMENT}, came {numbers.tolist()}. Correct the elements."
        )


def _agreed(what: str, of_file: T | None, of_settings: T | None, where: str) -> T | None:
    if of_file is not None and of_settings is not None and of_file != of_settings:
        raise InputError(
            f"{where}: expected one {what}, came {of_file!r} in the file and {of_settings!r} in the settings. Leave one out."
        )
    return of_settings if of_file is None else of_file


def _shaped(values: Any, shape: tuple[int, ...], *, where: str) -> Any:
    try:
        array = np.ma.asarray(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: expected numbers of shape {shape}, came {error}. Correct the file.") from error
    if array.shape != shape:
        raise InputError(
            f"{where}: expected the shape {shape}, came {array.shape}. Correct the file, or name another column by `keys`."
        )
    return array


def _is_missing(labels: Any) -> NDArray[np.bool_]:
    return np.asarray(np.ma.getmaskarray(labels).reshape(len(labels), -1).any(axis=1), dtype=np.bool_)


def _require_all(missing: NDArray[np.bool_], number: NDArray[np.int64], *, where: str, what: str) -> None:
    """Refuse frames without a label that was asked for."""
    if missing.any():
        raise InputError(
            f"{where}: expected {what} in every frame, came no {what} in frame {number[np.argmax(missing)]} "
            f"({missing.sum()} of {len(number)} frames). "
            "In a data file, name its column by `keys`, or leave out `labels` to use what each frame has."
        )


def _finite(chosen: Any, number: NDArray[np.int64], *, where: str) -> Any:
    bad: NDArray[np.bool_] = np.asarray(~np.isfinite(chosen.filled(0.0)).reshape(len(number), -1).all(axis=1))
    if bad.any():
        raise InputError(
            f"{where}: expected finite numbers, came NaN or infinity in frame {number[np.argmax(bad)]} "
            f"({bad.sum()} of {len(number)} frames). Remove or relabel these frames."
        )
    return chosen if np.ma.is_masked(chosen) else chosen.filled(np.nan)


def _is_in_order_of_time(positions: NDArray[np.float64]) -> bool:
    if len(positions) < 2 * BLOCK:
        return False
    centred = positions - positions.mean(axis=1, keepdims=True)
    other = np.random.default_rng(0).permutation(len(centred))
    apart = np.median(np.linalg.norm(centred - centred[other], axis=(1, 2)))
    return bool(np.median(np.linalg.norm(np.diff(centred, axis=0), axis=(1, 2))) < ALIKE * apart)
