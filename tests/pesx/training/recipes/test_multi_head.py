import numpy as np

from pesx.so3krates import checkpoint
from pesx.training.recipes import train_by_recipe


def test_each_level_has_a_head_and_the_accurate_one_is_first(settings, labels, tmp_path):
    tests = {"accurate": labels.accurate, "cheap": labels.cheap}
    model, card = checkpoint.load(train_by_recipe("multi-head", settings, labels, tmp_path, tests=tests))
    assert model.settings.levels == ("springs", "cheap")
    assert {item["level"] for item in card["errors"]["cheap"]} == {"cheap"}
    assert np.isfinite(card["errors"]["accurate"][0]["energy_mae"])
