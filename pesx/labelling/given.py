"""Structures of a file, sorted by molecule."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pesx.engines.engine import FloatArray
from pesx.engines.frames import frame_identity, read_frames
from pesx.errors import InputError
from pesx.labelling.tasks import TaskMolecule

GIVEN = "given"
"""The source of structures that name none."""


@dataclass(frozen=True)
class GivenFrame:
    """One structure of a file.

    Attributes:
        molecule: What it is of.
        positions: Angstrom.
        source: How it was made.
        trajectory: What it shares with those that resemble it for a common origin; empty where nothing.
    """

    molecule: TaskMolecule
    positions: FloatArray
    source: str
    trajectory: str


def given_frames(*paths: str | Path) -> list[GivenFrame]:
    """Return the structures of files; different molecules of one name get a number each.

    Raises:
        InputError: A file cannot be read, or a frame has an unknown element, or a charge or multiplicity that makes no sense.
    """
    molecules: dict[tuple[str, tuple[int, ...], int, int], TaskMolecule] = {}
    frames = []
    for path in paths:
        for index, atoms in enumerate(read_frames(path)):
            numbers = tuple(int(number) for number in atoms.numbers)
            name, charge, multiplicity = frame_identity(atoms, where=f"{path}, frame {index}")
            key = (name, numbers, charge, multiplicity)
            if key not in molecules:
                _require_electrons(numbers, charge, multiplicity, where=f"{path}, frame {index}")
                n_before = sum(other == name for other, *_ in molecules)
                unique = f"{name}#{n_before + 1}" if n_before else name
                molecules[key] = TaskMolecule(unique, "", numbers, charge, multiplicity)
            positions = np.asarray(atoms.positions, dtype=np.float64)
            source, trajectory = (str(atoms.info.get(word, other)) for word, other in _TAGS.items())
            frames.append(GivenFrame(molecules[key], positions, source, trajectory))
    return frames


def _require_electrons(numbers: tuple[int, ...], charge: int, multiplicity: int, *, where: str) -> None:
    """Refuse what no engine can have, before the first one is asked."""
    if min(numbers, default=0) < 1:
        raise InputError(f"{where}: expected atoms of known elements, came none or one without. Correct the elements.")
    n_electrons = sum(numbers) - charge
    if n_electrons < multiplicity - 1:
        raise InputError(
            f"{where}: expected a charge and a multiplicity (spin, 2S+1) that neutral atoms with {sum(numbers)} electrons can "
            f"have, came {charge} and {multiplicity}. Correct charge or spin."
        )


_TAGS = {"source": GIVEN, "trajectory": ""}

__all__ = ["GIVEN", "GivenFrame", "given_frames"]
