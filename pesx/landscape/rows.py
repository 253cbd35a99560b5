"""Between the rows of the database and the columns of the records: numbers, structures, molecules."""

import json
from typing import Any

import numpy as np
import torch

from pesx.landscape.records import Array
from pesx.molecule import Molecule
from pesx.typing import Tensor


def none_if_negative(column: Array) -> list[int | None]:
    """Return numbers as SQL takes them, None where there is none."""
    return [value if value >= 0 else None for value in column.tolist()]


def to_blobs(positions: Tensor) -> list[bytes]:
    """Return each structure as little-endian float64."""
    array = positions.detach().cpu().numpy().astype("<f8")
    return [structure.tobytes() for structure in array]


def from_blobs(blobs: Array, n_atoms: int) -> Tensor:
    """Return the structures of :func:`to_blobs`, angstrom."""
    values = np.frombuffer(b"".join(blobs.tolist()), dtype="<f8")
    return torch.from_numpy(values.reshape(len(blobs), n_atoms, 3).astype(np.float64))


def columns(rows: list[tuple[Any, ...]], kinds: str) -> list[Array]:
    """Return the columns as arrays of these dtypes; a missing number becomes NaN."""
    values: list[Any] = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return [np.array(column, dtype=np.dtype(kind)) for column, kind in zip(values, kinds, strict=True)]


def molecule_to_text(molecule: Molecule) -> str:
    """Return a molecule as JSON."""
    return json.dumps(
        {
            "numbers": molecule.numbers.tolist(),
            "positions": molecule.positions.tolist(),
            "charge": molecule.charge,
            "multiplicity": molecule.multiplicity,
            "bonds": molecule.bonds.tolist(),
            "name": molecule.name,
        }
    )


def molecule_from_text(text: str) -> Molecule:
    """Return the molecule of :func:`molecule_to_text`."""
    content = json.loads(text)
    return Molecule(
        numbers=torch.tensor(content["numbers"], dtype=torch.int64),
        positions=torch.tensor(content["positions"], dtype=torch.float64),
        charge=content["charge"],
        multiplicity=content["multiplicity"],
        bonds=torch.tensor(content["bonds"], dtype=torch.int64).reshape(-1, 2),
        name=content["name"],
    )
