"""Labelled frames from an extended xyz file, as other programs write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np

from pesx.engines.frames import frame_identity, read_frames
from pesx.errors import InputError
from pesx.training.dataset import Dataset
from pesx.training.sources.columns import Columns, stacked
from pesx.training.sources.file_frames import FileFrames
from pesx.training.sources.format import Format
from pesx.training.sources.settings import FileSettings


def read_extxyz(settings: FileSettings) -> list[Columns]:
    """Return the frames of an extxyz file, one molecule for each distinct list of atoms.

    Energies and forces are read under the names that ASE knows, or those of ``keys``. A frame may say ``trajectory``,
    ``temperature`` (K), ``name``, ``level``, ``charge`` and ``spin`` (2S+1; or ``multiplicity``) in its comment line.

    Raises:
        InputError: The file cannot be read, some frames name a level of theory and others do not, some frames of the same
            atoms name a charge and others do not, or a charge, multiplicity or temperature is no number.
    """
    sorted_: dict[tuple[Any, ...], list[tuple[int, ase.Atoms]]] = {}
    for index, atoms in enumerate(read_frames(settings.path, kind="extxyz")):
        where = f"{settings.path}, frame {index}"
        _, charge, multiplicity = frame_identity(atoms, where=where)
        info = atoms.info
        key = (
            str(info.get("name", "")),
            str(info.get("level", "")),
            tuple(atoms.numbers.tolist()),
            charge if "charge" in info else None,
            multiplicity if {"spin", "multiplicity"} & set(info) else None,
        )
        sorted_.setdefault(key, []).append((index, atoms))
    _require_levels(sorted_, settings)
    columns = [_columns(key, frames, settings) for key, frames in sorted_.items()]
    _require_charges(sorted_, settings)
    return columns


FORMAT = Format(
    "extxyz",
    read_extxyz,
    suffixes=(".xyz", ".extxyz"),
    energy_unit="eV",
    length_unit="angstrom",
    force_unit="eV/angstrom",
)
"""Units as ASE writes them."""


def structures(data: Dataset) -> list[ase.Atoms]:
    """Return the structures of frames without their labels, each with its name, charge, spin and trajectory.

    What is written from them is read by ``pesx label --frames``, to be labelled at another level.
    """
    return [
        ase.Atoms(
            molecule.numbers,
            positions,
            info={
                "name": molecule.name,
                "charge": molecule.charge,
                "spin": molecule.multiplicity,
                "trajectory": int(trajectory),
            },
        )
        for molecule in data.molecules
        for positions, trajectory in zip(molecule.positions, molecule.trajectory, strict=True)
    ]


class ExtxyzFrames(FileFrames):
    """Frames of an extxyz file in eV and angstrom, each with an energy and forces.

    Args:
        path: File to read.
        level: Level of theory of all labels.

    Raises:
        InputError: The file cannot be read, or a frame has no energy, no forces, or a charge,
            multiplicity or temperature that is no number.
    """

    def __init__(self, path: str | Path, *, level: str) -> None:
        settings = FORMAT.completed(FileSettings(str(path), level=level, labels=("energy", "forces")))
        super().__init__(settings, read_extxyz(settings))


def _require_levels(sorted_: dict[tuple[Any, ...], list[tuple[int, ase.Atoms]]], settings: FileSettings) -> None:
    without = [frames[0][0] for (_, level, *_), frames in sorted_.items() if not level]
    if without and len(without) < len(sorted_):
        raise InputError(
            f"{settings.path}, frame {min(without)}: expected its level of theory, as other frames say theirs, came none. "
            "Write level=... into its comment line."
        )


def _require_charges(sorted_: dict[tuple[Any, ...], list[tuple[int, ase.Atoms]]], settings: FileSettings) -> None:
    """Refuse frames without a charge among frames of the same atoms with one: neutral need not be what they are."""
    charged = {(name, numbers) for name, _, numbers, charge, _ in sorted_ if charge is not None}
    for (name, _, numbers, charge, _), frames in sorted_.items():
        if charge is None and settings.charge is None and (name, numbers) in charged:
            raise InputError(
                f"{settings.path}, frame {frames[0][0]}: expected its charge, as other frames of the same atoms say theirs, "
                "came none. Write charge=... into its comment line."
            )


def _columns(key: tuple[Any, ...], frames: Sequence[tuple[int, ase.Atoms]], settings: FileSettings) -> Columns:
    name, level, numbers, charge, multiplicity = key
    where = settings.path if not name else f"{settings.path}, molecule {name!r}"
    labels = {
        what: [_label(atoms, settings.keys.get(what, what)) for _, atoms in frames] for what in ("energy", "forces")
    }
    return Columns(
        numbers=np.array(numbers, dtype=np.int64),
        positions=np.array([atoms.positions for _, atoms in frames]),
        energy=stacked(labels["energy"], (), where=f"{where}, energy"),
        forces=stacked(labels["forces"], (len(numbers), 3), where=f"{where}, forces"),
        temperature=np.array([_temperature(atoms, where=f"{settings.path}, frame {index}") for index, atoms in frames]),
        trajectory=np.array([str(atoms.info.get("trajectory", "")) for _, atoms in frames], dtype=np.str_),
        frame=np.array([index for index, _ in frames]),
        name=name,
        level=level,
        charge=charge,
        multiplicity=multiplicity,
    )


def _label(atoms: ase.Atoms, name: str) -> Any:
    found = {} if atoms.calc is None else atoms.calc.results
    for place in (found, atoms.info, atoms.arrays):
        if name in place:
            return place[name]
    return None


def _temperature(atoms: ase.Atoms, *, where: str) -> float:
    """Return the temperature that a frame names, K; NaN if none."""
    said = atoms.info.get("temperature", np.nan)
    try:
        return float(said)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: expected a number for temperature (K), came {said!r}. Correct it.") from error
