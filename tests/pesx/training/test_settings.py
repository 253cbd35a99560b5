import pytest

from pesx.errors import ConfigError
from pesx.training.schedule import ema_decay, learning_rate, progress
from pesx.training.settings import TrainingSettings, from_table, read_settings, to_table

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
        ("n_steps = 5\nbatch_frames = 'many'", "type"),
        ("seed = 1", "when the training is to end"),
        ("n_steps = ", "cannot be read"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, message):
    path = tmp_path / "train.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_settings(path)


def test_progress_follows_what_is_further_along():
    both = TrainingSettings(n_steps=100, time_budget_s=10.0)
    assert progress(both, 50, 2.0) == 0.5
    assert progress(both, 20, 7.0) == 0.7
    assert progress(both, 20, 30.0) == 1.0


def test_learning_rate_rises_and_falls_to_zero():
    rates = [learning_rate(SHORT, step, step / 100) for step in range(101)]
    peak = rates.index(max(rates))
    assert 8 <= peak <= 10
    assert rates[0] == pytest.approx(1e-3)
    assert sorted(rates[:peak]) == rates[:peak]
    assert sorted(rates[peak:], reverse=True) == rates[peak:]
    assert rates[-1] == 0


def test_averages_forget_the_first_weights():
    assert ema_decay(SHORT, 0) < 0.2
    assert ema_decay(SHORT, 10**6) == SHORT.ema_decay
