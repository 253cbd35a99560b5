import pytest

from pesx.errors import ConfigError
from pesx.training.recipes import read_recipe_settings


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
