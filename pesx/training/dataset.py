"""Labelled frames in memory, checked once when they are read.

A label may be missing: a frame can have an energy, forces, both or, for the unlabelled recipe, neither. Frames of several
levels of theory can be together; every molecule's frames are of one.

Where they come from is anything that fills :class:`FrameSource`: the label store, or an extxyz file
(:mod:`pesx.training.sources`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pesx.errors import InputError

HEAVIEST_ELEMENT = 118

LARGEST_BINDING = 10.0
"""Energies of one molecule differ by less than this times the number of atoms, eV: no bonds are worth as much."""


class FrameSource(Protocol):
    """Anything that holds labelled frames of molecules at one level of theory."""

    @property
    def level(self) -> str:
        """Level of theory of all labels, as a short text."""
        ...

    def molecules(self) -> Iterable[tuple[Any, str, Any, int, int]]:
        """Return (id, name, atomic numbers, charge, multiplicity) of each molecule."""
        ...

    def frames(self, molecule_id: Any) -> Mapping[str, Any]:
        """Return the frames of one molecule.

        Keys: ``positions`` (K, N, 3) in angstrom, ``energy`` (K,) in eV, ``forces`` (K, N, 3) in eV/angstrom,
        ``temperature`` (K,) in K, ``trajectory`` (K,). Without the key ``energy`` or ``forces`` no frame has that label;
        where only some have it, the array is masked for the others. The key ``is_relative`` says whether the energies share
        a zero that is not known.
        """
        ...


@dataclass(frozen=True)
class MoleculeFrames:
    """Labelled frames of one molecule.

    Attributes:
        name: For people.
        level: Level of theory of the labels.
        numbers: Atomic numbers, (N,).
        charge: Total charge, e.
        multiplicity: Spin multiplicity, 1 for a singlet.
        positions: Angstrom, (K, N, 3).
        energy: eV, (K,), float64; NaN where there is none.
        forces: eV/angstrom, (K, N, 3); NaN for frames that have none.
        temperature: Of the trajectory a frame was taken from, K; NaN where there is none, (K,).
        trajectory: Frames with one number are neighbours in time, (K,).
        force_weight: Of the forces on each atom in training, (K, N), mean about 1; energies are never weighted.
        is_relative: Whether the energies share a zero that is not known, so that only their differences are labels.
    """

    name: str
    level: str
    numbers: NDArray[np.int64]
    charge: int
    multiplicity: int
    positions: NDArray[np.float32]
    energy: NDArray[np.float64]
    forces: NDArray[np.float32]
    temperature: NDArray[np.float64]
    trajectory: NDArray[np.int64]
    force_weight: NDArray[np.float32]
    is_relative: bool = False

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def has_energy(self) -> NDArray[np.bool_]:
        """Which frames have an energy, (K,)."""
        return np.asarray(np.isfinite(self.energy), dtype=np.bool_)

    @property
    def has_forces(self) -> NDArray[np.bool_]:
        """Which frames have forces, (K,)."""
        return np.asarray(np.isfinite(self.forces).all(axis=(1, 2)), dtype=np.bool_)

    def take(self, rows: NDArray[Any]) -> "MoleculeFrames":
        """Return some of the frames, by numbers or by a mask."""
        return replace(
            self,
            positions=self.positions[rows],
            energy=self.energy[rows],
            forces=self.forces[rows],
            temperature=self.temperature[rows],
            trajectory=self.trajectory[rows],
            force_weight=self.force_weight[rows],
        )


@dataclass(frozen=True)
class Dataset:
    """Labelled frames of several molecules, at one or several levels of theory."""

    molecules: tuple[MoleculeFrames, ...]

    def __len__(self) -> int:
        return sum(len(molecule) for molecule in self.molecules)

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of theory that occur, in the order of their first molecules."""
        return tuple(dict.fromkeys(molecule.level for molecule in self.molecules))

    def at(self, level: str) -> "Dataset":
        """Return the frames of one level of theory.

        Raises:
            InputError: There are none.
        """
        found = tuple(molecule for molecule in self.molecules if molecule.level == level)
        if not found:
            raise InputError(
                f"Expected frames at the level {level!r}, came only {', '.join(map(repr, self.levels))}. Name one of these, or "
                "add labels of that level."
            )
        return Dataset(found)

    @property
    def elements(self) -> list[int]:
        """Atomic numbers that occur, ascending."""
        return sorted({int(number) for molecule in self.molecules for number in molecule.numbers})

    def digest(self) -> str:
        """Return a SHA-256 of all structures and labels, independent of the file they were stored in."""
        total = hashlib.sha256()
        for molecule in self.molecules:
            electrons = f"{molecule.charge} {molecule.multiplicity}"
            total.update(
                f"{molecule.name} {molecule.level} {electrons} {molecule.is_relative} {len(molecule)}".encode()
            )
            for array in (
                molecule.numbers,
                molecule.positions,
                molecule.energy,
                molecule.forces,
                molecule.force_weight,
            ):
                total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


def merge(datasets: Sequence[Dataset]) -> Dataset:
    """Return the frames of several data sets as one; frames of one molecule at one level come together.

    Raises:
        InputError: Energies of one molecule at one level differ between two of them by more than all its bonds are worth.
    """
    merged: dict[tuple[Any, ...], MoleculeFrames] = {}
    for one in (molecule for dataset in datasets for molecule in dataset.molecules):
        key = (one.name, one.level, one.numbers.tobytes(), one.charge, one.multiplicity, one.is_relative)
        merged[key] = _joined(merged[key], one) if key in merged else one
    return Dataset(tuple(merged.values()))


def _joined(one: MoleculeFrames, other: MoleculeFrames) -> MoleculeFrames:
    _require_one_zero(one, other)
    # Numbers of trajectories say nothing outside their own data set.
    apart = other.trajectory + (one.trajectory.max() + 1 - other.trajectory.min())
    return replace(
        one,
        positions=np.concatenate([one.positions, other.positions]),
        energy=np.concatenate([one.energy, other.energy]),
        forces=np.concatenate([one.forces, other.forces]),
        temperature=np.concatenate([one.temperature, other.temperature]),
        trajectory=np.concatenate([one.trajectory, apart]),
        force_weight=np.concatenate([one.force_weight, other.force_weight]),
    )


def _require_one_zero(one: MoleculeFrames, other: MoleculeFrames) -> None:
    if one.is_relative or not (one.has_energy.any() and other.has_energy.any()):
        return
    first, second = (float(np.nanmedian(molecule.energy)) for molecule in (one, other))
    if abs(first - second) > LARGEST_BINDING * len(one.numbers):
        raise InputError(
            f"Molecule {one.name!r} at the level {one.level!r}: expected energies in one unit and from one zero, came about "
            f"{first:.6g} eV in one source and {second:.6g} eV in another. Correct a unit, or name the level of one otherwise."
        )


def load(source: FrameSource) -> Dataset:
    """Read every frame of a source and check the labels.

    Raises:
        InputError: A label is not finite, has the wrong shape, or an element does not exist; the frame is named.
    """
    molecules = []
    for molecule_id, name, numbers, charge, multiplicity in source.molecules():
        frames = source.frames(molecule_id)
        if len(np.asarray(frames["positions"])):
            molecules.append(_molecule(name, str(source.level), numbers, (charge, multiplicity), frames))
    if not molecules:
        raise InputError("Expected labelled frames, found none. Label some structures first.")
    return Dataset(tuple(molecules))


def without_hot_frames(dataset: Dataset, max_force: float) -> Dataset:
    """Drop frames in which the force on an atom is above a limit; frames without forces stay.

    Args:
        dataset: What to filter.
        max_force: Largest norm allowed, eV/angstrom.
    """
    kept = []
    for molecule in dataset.molecules:
        largest = np.linalg.norm(molecule.forces, axis=-1).max(axis=-1)
        kept.append(molecule.take(~(largest > max_force)))
    return Dataset(tuple(molecule for molecule in kept if len(molecule)))


def without_labels(dataset: Dataset) -> Dataset:
    """Return the structures alone."""
    return Dataset(
        tuple(
            replace(one, energy=np.full_like(one.energy, np.nan), forces=np.full_like(one.forces, np.nan))
            for one in dataset.molecules
        )
    )


def _molecule(
    name: str, level: str, numbers: Sequence[int], electrons: tuple[int, int], frames: Mapping[str, Any]
) -> MoleculeFrames:
    atoms = np.asarray(numbers, dtype=np.int64)
    if atoms.ndim != 1 or not np.all((atoms >= 1) & (atoms <= HEAVIEST_ELEMENT)):
        raise InputError(
            f"Molecule {name!r}: expected a list of atomic numbers from 1 to {HEAVIEST_ELEMENT}, came {atoms.tolist()}. "
            "Correct the elements."
        )
    n_frames = len(np.asarray(frames["positions"]))
    shapes = {"positions": (n_frames, len(atoms), 3), "energy": (n_frames,), "forces": (n_frames, len(atoms), 3)}
    arrays = {
        key: _checked(f"{name!r}, {key}", frames[key], shape) if key in frames else np.full(shape, np.nan)
        for key, shape in shapes.items()
    }
    _, trajectory = np.unique(np.asarray(frames["trajectory"]), return_inverse=True)
    charge, multiplicity = electrons
    return MoleculeFrames(
        name=name,
        level=level,
        numbers=atoms,
        charge=int(charge),
        multiplicity=int(multiplicity),
        positions=arrays["positions"].astype(np.float32),
        energy=arrays["energy"],
        forces=arrays["forces"].astype(np.float32),
        temperature=np.asarray(frames["temperature"], dtype=np.float64),
        trajectory=trajectory.astype(np.int64),
        force_weight=np.ones((n_frames, len(atoms)), dtype=np.float32),
        is_relative=bool(frames.get("is_relative", False)),
    )


def _checked(what: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        array = np.ma.asarray(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"Molecule {what}: expected numbers of shape {shape}, came {error}. Relabel it.") from error
    if array.shape != shape:
        raise InputError(f"Molecule {what}: expected the shape {shape}, came {array.shape}. Relabel it.")
    bad = np.flatnonzero(~np.isfinite(array.filled(0.0)).reshape(len(array), -1).all(axis=1))
    if len(bad):
        raise InputError(
            f"Molecule {what}: expected finite numbers, came NaN or infinity in frame {bad[0]} "
            f"({len(bad)} of {len(array)} frames). Remove or relabel these frames."
        )
    return array.filled(np.nan)
