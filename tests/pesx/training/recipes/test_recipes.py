import json
from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import ConfigError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3kratesSettings
from pesx.training.dataset import Dataset
from pesx.training.recipes import RECIPES, Labels, RecipeSettings, read_recipe_settings, train_by_recipe
from pesx.training.settings import TrainingSettings
from pesx.training.trainer import CURVES, MODEL

TRAINING = TrainingSettings(
    model=So3kratesSettings(features=16, n_layers=1, degrees=(1, 2), n_heads=2, cutoff=4.0, n_radial=8),
    n_steps=6,
    batch_frames=4,
    batch_pairs=30,
    warmup_steps=3,
    validation_fraction=0.2,
    validate_every=3,
)
SETTINGS = RecipeSettings(TRAINING, {"pretrain": {"n_steps": 9}})


@pytest.fixture(scope="module")
def labels(make_springs):
    """Few frames of a spring at one level, many at another at which it is stiffer."""
    cheap = Dataset(
        tuple(
            replace(one, level="cheap", energy=1.3 * one.energy - 5.0, forces=1.3 * one.forces)
            for one in (make_springs([8, 1, 1], 40, 0), make_springs([6, 1, 1, 1, 1], 40, 1))
        )
    )
    return Labels(Dataset((make_springs([8, 1, 1], 20, 2),)), cheap)


STAGES = {
    "scratch": ["1-scratch"],
    "pretrain-finetune": ["1-pretrain", "2-finetune"],
    "asteroid": ["1-bias", "2-pretrain", "3-finetune"],
    "asteroid-unlabelled": ["1-pretrain", "2-finetune"],
    "delta": ["1-pretrain", "2-correction"],
    "multi-head": ["1-joint"],
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_ends_with_a_model_of_the_accurate_level(recipe, labels, tmp_path):
    path = train_by_recipe(recipe, SETTINGS, labels, tmp_path, tests={"test": labels.accurate})
    model, card = checkpoint.load(path)
    assert card["level_of_theory"] == "springs"
    assert model.settings.levels[0] == "springs"
    assert card["recipe"]["name"] == recipe
    assert card["recipe"]["stages"] == STAGES[recipe]
    assert np.isfinite(card["errors"]["test"][0]["force_mae"])
    steps = [json.loads(line)["step"] for line in (tmp_path / STAGES[recipe][0] / CURVES).read_text().splitlines()]
    assert max(steps) == (9 if "pretrain" in STAGES[recipe][0] else 6)


def test_a_recipe_goes_on_where_it_was_stopped(labels, tmp_path):
    whole = train_by_recipe("asteroid", SETTINGS, labels, tmp_path / "whole")
    broken = tmp_path / "broken"
    short = replace(SETTINGS, stages={"pretrain": {"n_steps": 9}, "finetune": {"n_steps": 3}})
    train_by_recipe("asteroid", short, labels, broken)
    (broken / MODEL).unlink()
    with pytest.raises(WrongFolderError):
        train_by_recipe("asteroid", SETTINGS, labels, broken)
    first = (broken / "2-pretrain" / CURVES).read_text()
    resumed = train_by_recipe("asteroid", SETTINGS, labels, broken, resume=True)
    assert (broken / "2-pretrain" / CURVES).read_text() == first
    (one, card), (other, _) = checkpoint.load(whole), checkpoint.load(resumed)
    assert one.settings == other.settings
    assert 0 < card["recipe"]["bias"]["effective_share"] <= 1


def test_unlabelled_samples_are_not_read_for_their_labels(labels, tmp_path):
    lies = Dataset(tuple(replace(one, energy=one.energy * 9, forces=-one.forces) for one in labels.cheap.molecules))
    models = [
        checkpoint.load(train_by_recipe("asteroid-unlabelled", SETTINGS, some, tmp_path / name))[0]
        for name, some in (("true", labels), ("lies", Labels(labels.accurate, lies)))
    ]
    assert checkpoint.model_hash(models[0]) == checkpoint.model_hash(models[1])


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "scratch"])
def test_recipes_that_need_cheap_frames_say_so(recipe, labels, tmp_path):
    with pytest.raises(ConfigError, match=f"{recipe}.*--cheap"):
        train_by_recipe(recipe, SETTINGS, Labels(labels.accurate), tmp_path)
    assert not list(tmp_path.iterdir())


def test_mistakes_in_settings_are_named(tmp_path):
    path = tmp_path / "recipe.toml"
    for text, message in (
        ("n_steps = 5\n[stages.finetune]\nlerning_rate = 1.0\n", r"stages\.finetune\.lerning_rate"),
        ("n_steps = 5\n[bias]\nquantil = 1.0\n", r"bias\.quantil"),
        ("n_steps = 5\n[stages]\nfinetune = 3\n", "stages"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_recipe_settings(path)
    path.write_text(
        "n_steps = 5\nlearning_rate = 1e-3\n[stages.finetune]\nlearning_rate = 1e-4\n[bias]\nquantile = 0.3\n"
    )
    settings = read_recipe_settings(path)
    assert settings.bias.quantile == 0.3
    assert [settings.of(name).learning_rate for name in ("pretrain", "finetune")] == [1e-3, 1e-4]


def test_an_unknown_recipe_is_named(labels, tmp_path):
    with pytest.raises(ConfigError, match=r"scratch.*'alchemy'"):
        train_by_recipe("alchemy", SETTINGS, labels, tmp_path)
