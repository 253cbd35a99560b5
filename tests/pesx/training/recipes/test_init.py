import json

import numpy as np
import pytest

from pesx.errors import ConfigError
from pesx.so3krates import checkpoint
from pesx.training.recipes import RECIPES, Labels, train_by_recipe
from pesx.training.trainer import CURVES

STAGES = {
    "scratch": ["1-scratch"],
    "pretrain-finetune": ["1-pretrain", "2-finetune"],
    "asteroid": ["1-bias", "2-pretrain", "3-finetune"],
    "asteroid-unlabelled": ["1-score", "2-labels"],
    "delta": ["1-pretrain", "2-correction"],
    "corrected": ["1-correction-1", "2-correction-2", "3-correction-3", "4-corrected", "5-finetune"],
    "multi-head": ["1-joint"],
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_ends_with_a_model_of_the_accurate_level(recipe, settings, labels, tmp_path):
    path = train_by_recipe(recipe, settings, labels, tmp_path, tests={"test": labels.accurate})
    model, card = checkpoint.load(path)
    assert card["level_of_theory"] == "springs"
    assert model.settings.levels[0] == "springs"
    assert card["recipe"]["name"] == recipe
    assert card["recipe"]["stages"] == STAGES[recipe]
    assert np.isfinite(card["errors"]["test"][0]["force_mae"])
    steps = [json.loads(line)["step"] for line in (tmp_path / STAGES[recipe][0] / CURVES).read_text().splitlines()]
    assert max(steps) == (9 if "pretrain" in STAGES[recipe][0] else 6)


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "scratch"])
def test_recipes_that_need_cheap_frames_say_so(recipe, settings, labels, tmp_path):
    with pytest.raises(ConfigError, match=f"{recipe}.*--cheap"):
        train_by_recipe(recipe, settings, Labels(labels.accurate), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_recipe_is_named(settings, labels, tmp_path):
    with pytest.raises(ConfigError, match=r"scratch.*'alchemy'"):
        train_by_recipe("alchemy", settings, labels, tmp_path)
