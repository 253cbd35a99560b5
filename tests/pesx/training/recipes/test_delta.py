from pesx.so3krates import checkpoint
from pesx.training.recipes import train_by_recipe
from pesx.training.trainer import MODEL


def test_the_network_of_the_cheap_level_stays_as_it_was(settings, labels, tmp_path):
    model, _ = checkpoint.load(train_by_recipe("delta", settings, labels, tmp_path))
    first, _ = checkpoint.load(tmp_path / "1-pretrain" / MODEL)
    assert model.settings.levels == ("springs",)
    assert checkpoint.model_hash(model.baseline) == checkpoint.model_hash(first)
