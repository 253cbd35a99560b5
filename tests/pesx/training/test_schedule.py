import pytest

from pesx.training.schedule import ema_decay, learning_rate, progress
from pesx.training.settings import TrainingSettings

SHORT = TrainingSettings(n_steps=100, warmup_steps=10, learning_rate=1e-2)


def test_progress_follows_what_is_further_along():
    both = TrainingSettings(n_steps=100, time_budget_s=10.0)
    assert progress(both, 50, 2.0) == 0.5
    assert progress(both, 20, 7.0) == 0.7
    assert progress(both, 20, 30.0) == 1.0


@pytest.mark.parametrize(("limits", "done"), [({"n_steps": 80}, 0.25), ({"time_budget_s": 80.0}, 0.5)])
def test_a_limit_that_is_not_set_does_not_count(limits, done):
    assert progress(TrainingSettings(**limits), 20, 40.0) == done


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
    decays = [ema_decay(SHORT, step) for step in range(2000)]
    assert decays == sorted(decays)
