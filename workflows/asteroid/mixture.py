"""Cheap labels of two engines, mixed into what looks like one level."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pesx.engines.make import make_engine
from pesx.errors import InputError
from pesx.training.dataset import Dataset, MoleculeFrames

LEVEL = "mixed"
"""Of all cheap frames: the recipes are not told which engine a frame is from."""

_SPLIT_SEED = 0


def labelled(structures: Dataset, engine: str, path: Path) -> Dataset:
    """Return structures with the forces of an engine and no energies, whose zeros would give the engine away.

    Args:
        structures: What to label.
        engine: See :func:`pesx.engines.make.make_engine`.
        path: File of the forces; made if there is none.

    Raises:
        InputError: The file is that of other structures.
        EngineError: The engine refuses a structure.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        forces = np.concatenate([_forces(molecule, engine).ravel() for molecule in structures.molecules])
        beside = path.with_suffix(".part.npz")
        np.savez(beside, positions=_positions(structures), forces=forces)
        beside.replace(path)
    with np.load(path) as file:
        positions, forces = file["positions"], file["forces"]
    if not np.array_equal(positions, _positions(structures)):
        raise InputError(f"Expected in {path} the labels of these structures; they are of others. Delete the file.")
    ends = np.cumsum([molecule.positions.size for molecule in structures.molecules])[:-1]
    return Dataset(
        tuple(
            replace(
                molecule,
                level=LEVEL,
                energy=np.full(len(molecule), np.nan),
                forces=part.reshape(molecule.positions.shape).astype(np.float32),
            )
            for molecule, part in zip(structures.molecules, np.split(forces, ends), strict=True)
        )
    )


def _forces(molecule: MoleculeFrames, engine: str) -> NDArray[np.float64]:
    evaluate = make_engine(engine).bind(molecule.numbers, charge=molecule.charge, multiplicity=molecule.multiplicity)
    return np.stack([evaluate(positions)[1] for positions in molecule.positions.astype(np.float64)])


def _positions(structures: Dataset) -> NDArray[np.float32]:
    return np.concatenate([molecule.positions.ravel() for molecule in structures.molecules])


def is_bad(n_frames: int, bad_share: float) -> NDArray[np.bool_]:
    """Return which frames have labels of the bad engine: a random part, in which that of a smaller share is contained."""
    rank = np.random.default_rng(_SPLIT_SEED).permutation(n_frames)
    found: NDArray[np.bool_] = rank < round(bad_share * n_frames)
    return found


def mixed(good: Dataset, bad: Dataset, bad_share: float) -> Dataset:
    """Return the structures in their order, a random part of them with the forces of the bad engine."""
    parts = np.split(is_bad(len(good), bad_share), np.cumsum([len(one) for one in good.molecules])[:-1])
    return Dataset(
        tuple(
            replace(one, forces=np.where(chosen[:, None, None], other.forces, one.forces))
            for one, other, chosen in zip(good.molecules, bad.molecules, parts, strict=True)
        )
    )


def good_alone(good: Dataset, bad_share: float) -> Dataset:
    """Return the frames that the good engine has labelled in the mixture: what a perfect separation would leave."""
    parts = np.split(~is_bad(len(good), bad_share), np.cumsum([len(one) for one in good.molecules])[:-1])
    kept = (one.take(chosen) for one, chosen in zip(good.molecules, parts, strict=True))
    return Dataset(tuple(one for one in kept if len(one)))
