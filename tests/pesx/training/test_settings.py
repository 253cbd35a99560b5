import pytest

from pesx.config import from_table, to_table
from pesx.errors import ConfigError
from pesx.training.settings import TrainingSettings, read_settings

SHORT = TrainingSettings(n_steps=100, warmup_steps=10, learning_rate=1e-2)


def test_toml_becomes_settings(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text("n_steps = 5\n[model]\nfeatures = 32\ndegrees = [1, 2]\n[loss]\nenergy_weight = 0.5\n")
    settings = read_settings(path)
    assert settings.n_steps == 5
    assert settings.model.degrees == (1, 2)
    assert settings.loss.energy_weight == 0.5


def test_settings_survive_the_way_to_plain_values_and_back():
    assert from_table(TrainingSettings, to_table(SHORT)) == SHORT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_step = 5", "n_steps"),
        ("n_steps = 5\n[loss]\nforce_wait = 1.0", "'loss.force_wait'.*force_weight"),
        ("n_steps = 5\nlearning_rate = 0.0", "learning_rate above 0"),
        ("n_steps = 5\nlearning_rate = nan", "learning_rate above 0"),
        ("n_steps = 5\ntime_budget_s = nan", "time_budget_s of at least 0"),
        ("n_steps = 5\nema_decay = nan", "ema_decay between 0 and 1"),
        ("n_steps = 5\n[loss]\nforce_scale = nan", "force_scale above 0"),
        ("n_steps = 5\n[loss]\nrise_from = nan", "rise_from from 0"),
        ("n_steps = 5\nbatch_frames = 'many'", "a whole number.*'batch_frames'.*'many'"),
        ("n_steps = 5\ntarget_share = 1.0", "target_share from 0"),
        ("seed = 1", "when the training is to end"),
        ("n_steps = ", "TOML"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, message):
    path = tmp_path / "train.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_settings(path)
