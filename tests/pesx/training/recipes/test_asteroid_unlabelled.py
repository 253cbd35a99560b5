from dataclasses import replace

from pesx.so3krates import checkpoint
from pesx.training.dataset import Dataset
from pesx.training.recipes import Labels, train_by_recipe


def test_unlabelled_samples_are_not_read_for_their_labels(settings, labels, tmp_path):
    lies = Dataset(tuple(replace(one, energy=one.energy * 9, forces=-one.forces) for one in labels.cheap.molecules))
    models = [
        checkpoint.load(train_by_recipe("asteroid-unlabelled", settings, some, tmp_path / name))[0]
        for name, some in (("true", labels), ("lies", Labels(labels.accurate, lies)))
    ]
    assert checkpoint.model_hash(models[0]) == checkpoint.model_hash(models[1])
