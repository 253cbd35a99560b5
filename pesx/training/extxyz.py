"""Labelled frames from an extended xyz file, as other programs write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase
import numpy as np

from pesx.engines.frames import frame_identity, read_frames
from pesx.errors import InputError


class ExtxyzFrames:
    """Frames of an extxyz file, one molecule for each distinct list of atoms.

    Energies (eV) and forces (eV/angstrom) are read under the names that ASE knows. A frame may say ``trajectory``,
    ``temperature`` (K), ``name``, ``charge`` and ``spin`` (2S+1; or ``multiplicity``) in its comment line; without a
    trajectory every frame counts as one of its own.

    Args:
        path: File to read.
        level: Level of theory of all labels.

    Raises:
        InputError: The file cannot be read, or a frame has no energy, no forces, or a charge,
            multiplicity or temperature that is no number.
    """

    def __init__(self, path: str | Path, *, level: str) -> None:
        self.level = level
        self._frames: dict[tuple[Any, ...], list[tuple[int, ase.Atoms]]] = {}
        for index, atoms in enumerate(read_frames(path, kind="extxyz")):
            found = {} if atoms.calc is None else atoms.calc.results
            missing = [key for key in ("energy", "forces") if key not in found]
            if missing:
                raise InputError(
                    f"{path}, frame {index}: expected energy and forces, came no {' and no '.join(missing)}."
                )
            name, charge, multiplicity = frame_identity(atoms, where=f"{path}, frame {index}")
            key = (name, tuple(atoms.numbers.tolist()), charge, multiplicity)
            _temperature(atoms, where=f"{path}, frame {index}")
            self._frames.setdefault(key, []).append((index, atoms))

    def molecules(self) -> list[tuple[int, str, list[int], int, int]]:
        """Return (id, name, atomic numbers, charge, multiplicity) of each molecule."""
        return [
            (number, name, list(numbers), charge, multiplicity)
            for number, (name, numbers, charge, multiplicity) in enumerate(self._frames)
        ]

    def frames(self, molecule_id: int) -> Mapping[str, Any]:
        """Return the frames of one molecule; see :class:`pesx.training.dataset.FrameSource`."""
        frames = list(self._frames.values())[molecule_id]
        return {
            "positions": np.array([atoms.positions for _, atoms in frames]),
            "energy": np.array([atoms.calc.results["energy"] for _, atoms in frames]),
            "forces": np.array([atoms.calc.results["forces"] for _, atoms in frames]),
            "temperature": np.array([_temperature(atoms, where=f"frame {index}") for index, atoms in frames]),
            "trajectory": np.array([str(atoms.info.get("trajectory", f"frame {index}")) for index, atoms in frames]),
        }


def _temperature(atoms: ase.Atoms, *, where: str) -> float:
    """Return the temperature that a frame names, K; NaN if none."""
    said = atoms.info.get("temperature", np.nan)
    try:
        return float(said)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: expected a number for temperature (K), came {said!r}. Correct it.") from error
