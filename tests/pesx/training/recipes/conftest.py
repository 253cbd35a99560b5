from dataclasses import replace

import pytest

from pesx.so3krates.model import So3kratesSettings
from pesx.training.dataset import Dataset, merge
from pesx.training.recipes import Labels, RecipeSettings
from pesx.training.settings import TrainingSettings

TRAINING = TrainingSettings(
    model=So3kratesSettings(features=16, n_layers=1, degrees=(1, 2), n_heads=2, cutoff=4.0, n_radial=8),
    n_steps=6,
    batch_frames=4,
    batch_pairs=30,
    warmup_steps=3,
    validation_fraction=0.2,
    validate_every=3,
)


@pytest.fixture(scope="module")
def settings():
    """Six steps in every stage, nine for pretraining."""
    return RecipeSettings(TRAINING, {"pretrain": {"n_steps": 9}})


@pytest.fixture(scope="module")
def labels(make_springs):
    """Few frames of a spring at one level, many at another at which it is stiffer; the few are among the many."""
    accurate = make_springs([8, 1, 1], 20, 2)
    others = (make_springs([8, 1, 1], 40, 0), make_springs([6, 1, 1, 1, 1], 40, 1))
    cheap = [
        replace(one, level="cheap", energy=1.3 * one.energy - 5.0, forces=1.3 * one.forces)
        for one in (*others, accurate)
    ]
    return Labels(Dataset((accurate,)), merge([Dataset((one,)) for one in cheap]))
