from dataclasses import replace

import numpy as np

from pesx.so3krates import checkpoint
from pesx.training.dataset import Dataset
from pesx.training.recipes import Labels, train_by_recipe
from pesx.training.trainer import MODEL


def test_unlabelled_samples_are_not_read_for_their_labels(settings, labels, tmp_path):
    lies = Dataset(tuple(replace(one, energy=one.energy * 9, forces=-one.forces) for one in labels.cheap.molecules))
    models = [
        checkpoint.load(train_by_recipe("asteroid-unlabelled", settings, some, tmp_path / name))[0]
        for name, some in (("true", labels), ("lies", Labels(labels.accurate, lies)))
    ]
    assert checkpoint.model_hash(models[0]) == checkpoint.model_hash(models[1])


def test_judges_choose_the_weights_of_the_training_without_labels(settings, labels, tmp_path):
    few = Dataset(tuple(one.take(np.arange(5)) for one in labels.accurate.molecules))
    train_by_recipe("asteroid-unlabelled", settings, replace(labels, judges=few), tmp_path)
    card = checkpoint.load(tmp_path / "1-score" / MODEL)[1]
    assert sum(sum(counts.values()) for counts in card["validation_frames"].values()) == 5


def test_references_stand_above_what_score_matching_leaves(settings, labels, tmp_path):
    """It leaves the zero of energies open; the training after it begins with the median of the labels nevertheless."""
    still = replace(settings, stages={"labels": {"n_steps": 1, "learning_rate": 1e-9}})
    path = train_by_recipe("asteroid-unlabelled", still, labels, tmp_path, tests={"test": labels.accurate})
    (errors, *_) = checkpoint.load(path)[1]["errors"]["test"]
    assert abs(errors["energy_offset"]) < errors["energy_mae"]
