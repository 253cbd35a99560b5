from collections.abc import Callable

import numpy as np
import pytest
import torch

from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.frames import FrameTable
from pesx.training.reference import References

CUTOFF = 3.0


def toy_frames(numbers: list[int], n_frames: int, seed: int) -> MoleculeFrames:
    """Frames with labels drawn at random."""
    random = np.random.default_rng(seed)
    n = len(numbers)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)[:n] * 1.3
    return MoleculeFrames(
        name=f"molecule {seed}",
        level="toy",
        numbers=np.array(numbers),
        charge=0,
        multiplicity=1,
        positions=(grid + 0.1 * random.normal(size=(n_frames, n, 3))).astype(np.float32),
        energy=random.normal(size=n_frames) - 10.0 * n,
        forces=random.normal(size=(n_frames, n, 3)).astype(np.float32),
        temperature=np.where(np.arange(n_frames) % 3 == 0, np.nan, 300.0 + 100.0 * (np.arange(n_frames) % 3)),
        trajectory=np.arange(n_frames),
        force_weight=np.ones((n_frames, n), dtype=np.float32),
    )


@pytest.fixture
def make_frames() -> Callable[[list[int], int, int], MoleculeFrames]:
    """From atomic numbers, a number of frames and a seed to frames."""
    return toy_frames


def springs(numbers: list[int], n_frames: int, seed: int) -> MoleculeFrames:
    """Frames of a molecule whose bonds to the first atom are springs of 5 eV/angstrom^2 and 1.2 angstrom."""
    random = np.random.default_rng(seed)
    n = len(numbers)
    corners = 1.2 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]])[:n]
    positions = corners + 0.1 * random.normal(size=(n_frames, n, 3))
    bonds = positions[:, 1:] - positions[:, :1]
    length = np.linalg.norm(bonds, axis=-1, keepdims=True)
    pull = -5.0 * (length - 1.2) * bonds / length
    energy = 2.5 * np.square(length - 1.2).sum(axis=(1, 2)) - 100.0 * n
    return MoleculeFrames(
        name=f"springs {n}",
        level="springs",
        numbers=np.array(numbers),
        charge=0,
        multiplicity=1,
        positions=positions.astype(np.float32),
        energy=energy,
        forces=np.concatenate([-pull.sum(axis=1, keepdims=True), pull], axis=1).astype(np.float32),
        temperature=np.where(np.arange(n_frames) % 10 < 5, 300.0, 500.0),
        trajectory=np.arange(n_frames) // 5,
        force_weight=np.ones((n_frames, n), dtype=np.float32),
    )


@pytest.fixture(scope="session")
def make_springs() -> Callable[[list[int], int, int], MoleculeFrames]:
    """From atomic numbers, a number of frames and a seed to frames whose labels a network can learn."""
    return springs


@pytest.fixture
def toy_data() -> Dataset:
    return Dataset((toy_frames([1, 8, 1], 6, 0), toy_frames([6, 1, 1, 1, 1], 5, 1)))


@pytest.fixture
def toy_references() -> dict[str, References]:
    return {"toy": References(dict.fromkeys((1, 6, 8), -10.0), 3)}


@pytest.fixture
def toy_table(toy_data: Dataset, toy_references: dict[str, References]) -> FrameTable:
    return FrameTable(toy_data, toy_references, cutoff=CUTOFF)


@pytest.fixture
def toy_model() -> So3krates:
    torch.manual_seed(0)
    settings = So3kratesSettings(
        elements=(1, 6, 8), features=24, n_layers=2, degrees=(1, 2), cutoff=CUTOFF, n_radial=8, levels=("toy",)
    )
    model = So3krates(settings)
    model.set_reference_energies(dict.fromkeys((1, 6, 8), -10.0))
    return model
