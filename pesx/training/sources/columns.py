"""What a reader brings: the frames of one molecule as they stand in the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pesx.errors import InputError


@dataclass(frozen=True)
class Columns:
    """Frames of one molecule in the units of their file.

    Attributes:
        numbers: Atomic numbers, (N,).
        positions: (K, N, 3).
        energy: (K,), masked for frames without one; None where no frame has one.
        forces: (K, N, 3), or gradients; masked for frames without any; None where no frame has any.
        temperature: K, (K,); NaN for frames that name none.
        trajectory: Name of the trajectory of each frame, (K,); empty where it has none.
        frame: Number of each frame in its file, for messages, (K,).
        name: Empty where the file does not say one.
        level: Level of theory; empty where the file does not say one.
        charge: Total charge, e; None where the file does not say one.
        multiplicity: 2S+1; None where the file does not say one.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    energy: Any = None
    forces: Any = None
    temperature: NDArray[np.float64] | None = None
    trajectory: NDArray[np.str_] | None = None
    frame: NDArray[np.int64] | None = None
    name: str = ""
    level: str = ""
    charge: int | None = None
    multiplicity: int | None = None

    def __len__(self) -> int:
        return len(self.positions)


def stacked(labels: Sequence[Any], shape: tuple[int, ...], *, where: str) -> Any:
    """Return the labels of frames as one array, masked where a frame has none; None if no frame has one.

    Args:
        labels: One entry for each frame, None where it has no label.
        shape: Of a label.
        where: File, molecule and label, for the message.

    Raises:
        InputError: A label has another shape, or is no number.
    """
    if all(label is None for label in labels):
        return None
    for number, label in enumerate(labels):
        if label is not None:
            _require_label(label, shape, where=f"{where}, frame {number} of the molecule")
    missing = np.array([label is None for label in labels])
    values = np.stack([np.zeros(shape) if label is None else np.asarray(label, dtype=np.float64) for label in labels])
    return np.ma.masked_array(values, mask=np.broadcast_to(missing.reshape(-1, *[1] * len(shape)), values.shape))


def atomic_numbers(values: Any, *, where: str) -> NDArray[np.int64]:
    """Return atomic numbers as whole numbers.

    Args:
        values: As they stand in the file.
        where: File and column, for the message.

    Raises:
        InputError: They are no whole numbers.
    """
    found = np.asarray(values)
    is_number = np.issubdtype(found.dtype, np.number) and not np.issubdtype(found.dtype, np.complexfloating)
    if not is_number or not np.isfinite(found).all() or (found != np.round(found)).any():
        raise InputError(
            f"{where}: expected atomic numbers, such as 8 for oxygen, came {found.ravel()[:4].tolist()}. Write whole numbers."
        )
    return found.astype(np.int64)


def _require_label(label: Any, shape: tuple[int, ...], *, where: str) -> None:
    if np.shape(label) != shape:
        raise InputError(f"{where}: expected the shape {shape}, came {np.shape(label)}. Correct it.")
    try:
        np.asarray(label, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: expected a number, came {label!r}. Correct it.") from error
