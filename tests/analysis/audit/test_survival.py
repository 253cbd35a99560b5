import numpy as np
import pytest

from pesx.analysis.audit.survival import clopper_pearson, kaplan_meier, poisson_interval
from pesx.errors import InputError

FREIREICH = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
FAILED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
"""Weeks in remission under 6-mercaptopurine, and whether it ended (Freireich et al. 1963)."""

PUBLISHED = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}
"""Product-limit estimates printed in the textbooks for these data (Cox and Oakes, Analysis of Survival Data, 1984)."""

GREENWOOD_AT_23 = 0.1346
"""Standard error printed there for the last time."""


def test_textbook_values():
    curve = kaplan_meier(FREIREICH, np.array(FAILED, dtype=bool), form="greenwood")
    found = dict(zip(curve.time.tolist(), curve.survival.round(4).tolist(), strict=True))
    assert found == {0: 1.0} | PUBLISHED
    assert curve.at_risk.tolist() == [21, 21, 17, 15, 12, 11, 7, 6]
    assert (curve.n, curve.n_failed, curve.n_censored) == (21, 9, 12)
    assert curve.median == 23
    assert (curve.survival[-1] - curve.lower[-1]) / 1.959964 == pytest.approx(GREENWOOD_AT_23, abs=5e-5)
    assert curve.watched == sum(FREIREICH)


def test_log_log_limits_of_the_textbook_data():
    """R's survfit(conf.type='log-log') prints 0.620 to 0.952 after 6 weeks and 0.188 to 0.680 after 23."""
    curve = kaplan_meier(FREIREICH, np.array(FAILED, dtype=bool))
    assert curve.lower[[1, -1]] == pytest.approx([0.620, 0.188], abs=6e-4)
    assert curve.upper[[1, -1]] == pytest.approx([0.952, 0.680], abs=6e-4)


@pytest.mark.parametrize("seed", range(5))
def test_against_brute_force(seed):
    """The product over replicas one by one in order of time, failures before censored ones, gives the same curve."""
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 15, size=40).astype(float)
    failed = rng.random(40) < 0.6
    curve = kaplan_meier(time, failed)
    order = sorted(range(40), key=lambda i: (time[i], not failed[i]))
    share, at = 1.0, {0.0: 1.0}
    for place, i in enumerate(order):
        if failed[i]:
            share *= 1 - 1 / (40 - place)
            at[time[i]] = share
    assert dict(zip(curve.time, curve.survival, strict=True)) == pytest.approx(at)
    assert ((curve.lower <= curve.survival) & (curve.survival <= curve.upper)).all()


def test_without_censoring_it_is_the_share_left():
    curve = kaplan_meier([1.0, 2.0, 3.0, 4.0], [True] * 4)
    assert curve.survival == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert curve.lower[-1] == 0
    assert curve.upper[-1] == pytest.approx(0.975)  # one replica, none left: 1 - 0.025


def test_without_failures_the_interval_is_that_of_the_count():
    curve = kaplan_meier([50.0] * 32, [False] * 32)
    assert curve.survival.tolist() == [1.0]
    assert curve.lower[0] == pytest.approx(0.025 ** (1 / 32))
    assert curve.median is None
    rate, lower, upper = curve.rate()
    assert (rate, lower) == (0.0, 0.0)
    assert upper == pytest.approx(-np.log(0.025) / 1.6)  # 3.69 events in 1.6 ns


def test_intervals_cover_the_truth():
    """Exponential times, censored at random: at the median, 95 % intervals hold the true 0.5 in about 95 % of 400 trials."""
    rng = np.random.default_rng(0)
    n_covered = 0
    for _ in range(400):
        life, end = rng.exponential(1.0, 60), rng.exponential(2.0, 60)
        curve = kaplan_meier(np.minimum(life, end), life <= end)
        index = np.searchsorted(curve.time, np.log(2.0), side="right") - 1
        n_covered += curve.lower[index] <= 0.5 <= curve.upper[index]
    lower, upper = clopper_pearson(n_covered, 400, level=0.9999)
    assert lower < 0.95 < upper


def test_poisson_interval():
    """Garwood's table: 0 events up to 3.69, 10 events 4.80 to 18.39."""
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert poisson_interval(10) == pytest.approx((4.795, 18.390), abs=1e-3)


@pytest.mark.parametrize(
    ("time", "failed", "form"),
    [([], [], "log-log"), ([1.0], [True, False], "log-log"), ([-1.0], [True], "log-log"), ([1.0], [True], "linear")],
)
def test_bad_calls_are_refused(time, failed, form):
    with pytest.raises(InputError, match="Expected"):
        kaplan_meier(time, np.array(failed, dtype=bool), form=form)


def test_json_has_no_nan():
    found = kaplan_meier([0.0, 0.0], [False, False]).as_json()
    assert found["failures_per_ns"]["value"] is None
    assert found["curve"]["survival"] == [1.0]
