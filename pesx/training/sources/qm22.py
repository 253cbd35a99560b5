"""Labelled frames from the text files of the database QM-22, doi:10.1063/5.0089200.

A frame is its number of atoms, its energy on a line of its own, and for each atom the element, the position and the gradient.
"""

import zipfile
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from pesx.errors import InputError
from pesx.training.sources.columns import Columns
from pesx.training.sources.format import Format
from pesx.training.sources.settings import FileSettings

_ELEMENTS = frozenset(atomic_numbers)


def read_qm22(settings: FileSettings) -> list[Columns]:
    """Return the frames of a text file, or of the only one in a zip archive; one molecule for each distinct list of atoms.

    Raises:
        InputError: The file is not of this form; the message names the line.
    """
    lines = _text(Path(settings.path)).splitlines()
    frames: dict[tuple[str, ...], list[tuple[int, float, list[list[float]]]]] = {}
    start = index = 0
    while start < len(lines) and lines[start].strip():
        try:
            n_atoms = int(lines[start])
            energy = float(lines[start + 1])
            rows = [line.split() for line in lines[start + 2 : start + 2 + n_atoms]]
            if n_atoms < 1 or len(rows) < n_atoms or any(len(row) != 7 for row in rows):
                raise ValueError("each atom has an element and six numbers")
            values = [[float(word) for word in row[1:]] for row in rows]
            symbols = tuple(row[0] for row in rows)
            if not _ELEMENTS.issuperset(symbols):
                raise ValueError("unknown element")
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{settings.path}: expected the number of atoms, the energy, and element, position and gradient of each atom "
                f"from line {start + 1}, came something else: {error}."
            ) from error
        frames.setdefault(symbols, []).append((index, energy, values))
        start, index = start + 2 + n_atoms, index + 1
    return [
        Columns(
            numbers=np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64),
            positions=np.array([values for _, _, values in found])[:, :, :3],
            energy=np.array([energy for _, energy, _ in found]),
            forces=np.array([values for _, _, values in found])[:, :, 3:],
            frame=np.array([index for index, _, _ in found]),
        )
        for symbols, found in frames.items()
    ]


FORMAT = Format(
    "qm22",
    read_qm22,
    energy_unit="hartree",
    length_unit="angstrom",
    force_unit="hartree/bohr",
    gradients=True,
)


def _text(path: Path) -> str:
    try:
        if not zipfile.is_zipfile(path):
            return path.read_text()
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise InputError(
                    f"{path}: expected one file in the archive, came {len(names)}. Unpack it and name one."
                )
            return archive.read(names[0]).decode()
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise InputError(f"Expected text or a zip archive of text at {path}; it cannot be read ({error}).") from error
