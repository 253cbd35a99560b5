from dataclasses import replace

import pytest

from pesx.errors import ConfigError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.training.recipes import read_recipe_settings, train_by_recipe
from pesx.training.trainer import MODEL


def test_mistakes_in_settings_are_named(tmp_path):
    path = tmp_path / "recipe.toml"
    for text, message in (
        ("n_steps = 5\n[stages.finetune]\nlerning_rate = 1.0\n", r"stages\.finetune\.lerning_rate"),
        ("n_steps = 5\n[bias]\nquantil = 1.0\n", r"bias\.quantil"),
        ("n_steps = 5\n[correction]\nnetworks = 0\n", "networks"),
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


def test_recipes_can_have_a_stage_in_common(settings, labels, tmp_path):
    """The second recipe finds the stage finished, and ends with the model that it would have made alone."""
    alone = train_by_recipe("delta", settings, labels, tmp_path / "alone")
    shared = {"pretrain": tmp_path / "shared"}
    train_by_recipe("pretrain-finetune", settings, labels, tmp_path / "first", elsewhere=shared)
    written = (tmp_path / "shared" / MODEL).stat().st_mtime_ns
    second = train_by_recipe("delta", settings, labels, tmp_path / "second", elsewhere=shared)
    assert (tmp_path / "shared" / MODEL).stat().st_mtime_ns == written
    assert sorted(path.name for path in (tmp_path / "second").iterdir()) == ["2-correction", MODEL]
    (one, card), (other, _) = checkpoint.load(second), checkpoint.load(alone)
    assert card["recipe"]["stages"] == ["1-pretrain", "2-correction"]
    assert checkpoint.model_hash(one) == checkpoint.model_hash(other)
    changed = replace(settings, training=replace(settings.training, seed=1))
    with pytest.raises(WrongFolderError, match="seed"):
        train_by_recipe("delta", changed, labels, tmp_path / "third", elsewhere=shared)
