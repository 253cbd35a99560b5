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
