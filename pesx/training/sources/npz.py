"""Labelled frames from a numpy archive in the forms of MD17, doi:10.1126/sciadv.1603015, and its successors."""

import zipfile
from typing import Any

import numpy as np

from pesx.errors import InputError
from pesx.training.sources.columns import Columns, atomic_numbers
from pesx.training.sources.format import Format
from pesx.training.sources.settings import FileSettings

NAMES = {
    "positions": ("R", "positions", "coords"),
    "numbers": ("z", "atomic_numbers", "nuclear_charges"),
    "energy": ("E", "energy", "energies"),
    "forces": ("F", "forces"),
}
"""Names that arrays have in such files."""


def read_npz(settings: FileSettings) -> list[Columns]:
    """Return the frames of a numpy archive, one molecule for each distinct list of atoms.

    Atomic numbers are those of all frames, (N,), or given for each, (K, N). Energies may be (K,) or (K, 1).

    Raises:
        InputError: The file is no such archive, an array is missing, or one quantity has two.
    """
    arrays = _arrays(settings)
    positions, numbers = arrays["positions"], atomic_numbers(arrays["numbers"], where=f"{settings.path}, numbers")
    if (
        positions.ndim != 3
        or positions.shape[2] != 3
        or numbers.shape not in (positions.shape[:2], positions.shape[1:2])
    ):
        raise InputError(
            f"{settings.path}: expected positions of shape (K, N, 3) and atomic numbers of shape (N,) or (K, N), came "
            f"{positions.shape} and {numbers.shape}. Correct the file, or name other arrays by `keys`."
        )
    for what in ("energy", "forces"):
        if what in arrays and arrays[what].shape[:1] != positions.shape[:1]:
            raise InputError(
                f"{settings.path}, {what}: expected one for each of {len(positions)} frames, came the shape "
                f"{arrays[what].shape}. Correct the file."
            )
    energy, forces = arrays.get("energy"), arrays.get("forces")
    if energy is not None and energy.shape == (len(positions), 1):
        energy = energy[:, 0]
    every = np.broadcast_to(numbers, positions.shape[:2])
    _, first, group = np.unique(every, axis=0, return_index=True, return_inverse=True)
    molecules = [(every[row].astype(np.int64), np.flatnonzero(group.ravel() == i)) for i, row in enumerate(first)]
    return [
        Columns(
            numbers=atoms,
            positions=positions[rows],
            energy=None if energy is None else energy[rows],
            forces=None if forces is None else forces[rows],
            frame=rows,
        )
        for atoms, rows in molecules
    ]


FORMAT = Format("npz", read_npz, suffixes=(".npz",))


def _arrays(settings: FileSettings) -> dict[str, Any]:
    arrays = {}
    try:
        with np.load(settings.path, allow_pickle=False) as archive:
            for what, names in NAMES.items():
                key = _name(what, settings, names, archive.files)
                if key is not None:
                    arrays[what] = archive[key]
    except (OSError, zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise InputError(f"Expected a numpy archive (npz) at {settings.path}, came another file: {error}.") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"Expected arrays of numbers in {settings.path}, came what numpy does not read: {error}. Write plain arrays; lists "
            "of unequal length, of molecules of several sizes, go into one file for each size."
        ) from error
    return arrays


def _name(what: str, settings: FileSettings, names: tuple[str, ...], there: list[str]) -> str | None:
    if what in settings.keys:
        names = (settings.keys[what],)
    found = [name for name in names if name in there]
    if len(found) > 1:
        raise InputError(
            f"{settings.path}: expected one array for {what}, came {' and '.join(found)}. Choose one: keys.{what} = ..."
        )
    if not found and (what in settings.keys or what in ("positions", "numbers")):
        raise InputError(
            f"{settings.path}: expected an array {' or '.join(names)} for {what}, came {', '.join(there)}. "
            f"Name it: keys.{what} = ..."
        )
    return found[0] if found else None
