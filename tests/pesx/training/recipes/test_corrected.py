from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.so3krates import checkpoint
from pesx.training.correction import CorrectionSettings
from pesx.training.dataset import Dataset
from pesx.training.recipes import train_by_recipe


def test_a_model_of_the_accurate_level_comes_of_corrected_labels(settings, labels, tmp_path):
    settings = replace(settings, correction=CorrectionSettings(networks=2))
    model, card = checkpoint.load(train_by_recipe("corrected", settings, labels, tmp_path))
    assert model.settings.levels == ("springs",)
    assert card["recipe"]["stages"] == ["1-correction-1", "2-correction-2", "3-corrected", "4-finetune"]
    assert card["recipe"]["correction"]["pairs"] == 20
    one, two = (
        checkpoint.load(tmp_path / stage / "model.safetensors") for stage in ("1-correction-1", "2-correction-2")
    )
    assert one[0].settings.levels == ("springs less cheap",)
    assert checkpoint.model_hash(one[0]) != checkpoint.model_hash(two[0])
    frames = checkpoint.load(tmp_path / "3-corrected" / "model.safetensors")[1]["training_frames"]
    assert list(frames) == ["springs"]


def test_one_network_weighs_all_labels_alike(settings, labels, tmp_path):
    settings = replace(settings, correction=CorrectionSettings(networks=1))
    _, card = checkpoint.load(train_by_recipe("corrected", settings, labels, tmp_path))
    assert card["recipe"]["correction"] == {"pairs": 20, "networks": 1}


def test_cheap_labels_of_other_structures_alone_are_refused_before_any_stage(settings, labels, tmp_path):
    moved = [replace(one, positions=one.positions + np.float32(0.1)) for one in labels.cheap.molecules]
    with pytest.raises(InputError, match="Label the accurate structures at the cheap level too"):
        train_by_recipe("corrected", settings, replace(labels, cheap=Dataset(tuple(moved))), tmp_path)
    assert not any(tmp_path.iterdir())


def test_every_other_network_goes_on_from_the_start(settings, labels, tmp_path):
    settings = replace(settings, correction=CorrectionSettings(networks=2))
    train_by_recipe("pretrain-finetune", settings, labels, tmp_path / "first")
    start, _ = checkpoint.load(tmp_path / "first" / "1-pretrain" / "model.safetensors")
    train_by_recipe("corrected", settings, labels, tmp_path / "second", start=start)
    cards = [
        checkpoint.load(tmp_path / "second" / stage / "model.safetensors")[1]
        for stage in ("1-correction-1", "2-correction-2")
    ]
    assert [card["run"]["start"] for card in cards] == ["random weights", checkpoint.model_hash(start)]
