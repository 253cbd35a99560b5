from pesx.so3krates import checkpoint
from pesx.training.recipes import train_by_recipe
from pesx.training.trainer import train


def test_it_is_a_training_in_one_go(settings, labels, tmp_path):
    by_recipe = train_by_recipe("scratch", settings, labels, tmp_path / "recipe")
    in_one_go = train(settings.training, labels.accurate, tmp_path / "one")
    (one, _), (other, _) = checkpoint.load(by_recipe), checkpoint.load(in_one_go)
    assert checkpoint.model_hash(one) == checkpoint.model_hash(other)
