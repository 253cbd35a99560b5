from pesx.so3krates import checkpoint
from pesx.training.recipes import train_by_recipe
from pesx.training.trainer import MODEL


def test_the_second_stage_begins_with_the_first_at_the_other_level(settings, labels, tmp_path):
    _, card = checkpoint.load(train_by_recipe("pretrain-finetune", settings, labels, tmp_path))
    first, first_card = checkpoint.load(tmp_path / "1-pretrain" / MODEL)
    assert first_card["level_of_theory"] == "cheap"
    assert card["level_of_theory"] == "springs"
    assert card["run"]["start"] == checkpoint.model_hash(first)
