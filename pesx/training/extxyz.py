"""Labelled frames from an extended xyz file, as other programs write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np

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
        InputError: The file cannot be read, or a frame has no energy or no forces.
    """

    def __init__(self, path: str | Path, *, level: str) -> None:
        self.level = level
        self._frames: dict[tuple[Any, ...], list[tuple[int, ase.Atoms]]] = {}
        try:
            images = ase.io.read(str(path), index=":", format="extxyz")
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"Expected an extxyz file, but {path} cannot be read: {error}.") from error
        for index, atoms in enumerate(images):
            found = {} if atoms.calc is None else atoms.calc.results
            missing = [key for key in ("energy", "forces") if key not in found]
            if missing:
                raise InputError(
                    f"{path}, frame {index}: expected energy and forces, came no {' and no '.join(missing)}."
                )
            info = atoms.info
            key = (
                str(info.get("name", atoms.get_chemical_formula())),
                tuple(atoms.numbers.tolist()),
                int(info.get("charge", 0)),
                int(info.get("spin", info.get("multiplicity", 1))),
            )
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
            "source": np.full(len(frames), "extxyz"),
            "temperature": np.array([float(atoms.info.get("temperature", np.nan)) for _, atoms in frames]),
            "trajectory": np.array([str(atoms.info.get("trajectory", f"frame {index}")) for index, atoms in frames]),
        }
