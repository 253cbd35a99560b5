import pytest

from pesx.errors import ConfigError
from pesx.so3krates import checkpoint
from pesx.training.recipes import train_by_recipe
from pesx.training.trainer import MODEL


def test_the_second_stage_begins_with_the_first_at_the_other_level(settings, labels, tmp_path):
    _, card = checkpoint.load(train_by_recipe("pretrain-finetune", settings, labels, tmp_path))
    first, first_card = checkpoint.load(tmp_path / "1-pretrain" / MODEL)
    assert first_card["level_of_theory"] == "cheap"
    assert card["level_of_theory"] == "springs"
    assert card["run"]["start"] == checkpoint.model_hash(first)


def test_pretraining_goes_on_from_a_start(settings, labels, tmp_path):
    first = train_by_recipe("pretrain-finetune", settings, labels, tmp_path / "first").parent / "1-pretrain" / MODEL
    start, _ = checkpoint.load(first)
    train_by_recipe("pretrain-finetune", settings, labels, tmp_path / "again", start=start)
    _, card = checkpoint.load(tmp_path / "again" / "1-pretrain" / MODEL)
    assert card["run"]["start"] == checkpoint.model_hash(start)


def test_a_recipe_from_random_weights_takes_no_start(settings, labels, tmp_path):
    start, _ = checkpoint.load(train_by_recipe("scratch", settings, labels, tmp_path / "first"))
    with pytest.raises(ConfigError, match=r"a start only for .*; came one for scratch"):
        train_by_recipe("scratch", settings, labels, tmp_path / "again", start=start)
    assert not (tmp_path / "again").exists()
