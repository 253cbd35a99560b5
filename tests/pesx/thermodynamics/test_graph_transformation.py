from fractions import Fraction

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.thermodynamics.graph_transformation import log_committor, log_passage_times, passage

NOTHING = -np.inf


def balanced(n, seed, *, spread=3.0, share=0.4):
    """Return the logarithms of random rates that obey detailed balance on a connected network, and of populations."""
    rng = np.random.default_rng(seed)
    population, height = rng.normal(0, spread, n), rng.normal(0, spread, (n, n))
    is_way = rng.random((n, n)) < share
    is_way[np.arange(n - 1), np.arange(1, n)] = True
    is_way = np.triu(is_way, 1) | np.triu(is_way, 1).T
    flow = np.triu(height, 1) + np.triu(height, 1).T
    return np.where(is_way, flow - population[:, None], NOTHING), population


def generator(log_rates):
    rates = np.exp(log_rates)
    return rates - np.diag(rates.sum(axis=1))


def times_by_linear_algebra(log_rates, target):
    others = np.setdiff1d(np.arange(len(log_rates)), target)
    times = np.zeros(len(log_rates))
    times[others] = np.linalg.solve(generator(log_rates)[np.ix_(others, others)], -np.ones(len(others)))
    return times


def committor_by_linear_algebra(log_rates, start, target):
    between = np.setdiff1d(np.arange(len(log_rates)), [*start, *target])
    matrix, chance = generator(log_rates), np.zeros(len(log_rates))
    chance[target] = 1.0
    into = matrix[np.ix_(between, target)].sum(axis=1)
    chance[between] = np.linalg.solve(matrix[np.ix_(between, between)], -into)
    return chance


def exact_times(log_rates, target):
    """Solve the linear equations in fractions."""
    others = [row for row in range(len(log_rates)) if row not in target]
    rates = [[Fraction(float(np.exp(value))) for value in row] for row in log_rates]
    rows = [[-rates[i][j] if i != j else sum(rates[i]) for j in others] + [Fraction(1)] for i in others]
    for at in range(len(others)):
        rows[at] = [value / rows[at][at] for value in rows[at]]
        for other in range(len(others)):
            if other != at:
                factor = rows[other][at]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
    return {row: rows[at][-1] for at, row in enumerate(others)}


@pytest.mark.parametrize("seed", range(5))
def test_times_and_chances_are_those_of_linear_algebra(seed):
    log_rates, _ = balanced(30, seed, spread=1.0)
    start, target = [0, 5, 9], [3, 17]
    times = np.exp(log_passage_times(log_rates, np.array(target)))
    assert times == pytest.approx(times_by_linear_algebra(log_rates, target), rel=1e-9)
    chance = np.exp(log_committor(log_rates, np.array(start), np.array(target)))
    assert chance == pytest.approx(committor_by_linear_algebra(log_rates, start, target), rel=1e-9)


def test_rates_need_not_be_balanced():
    rng = np.random.default_rng(4)
    log_rates = rng.normal(0, 1, (12, 12))
    times = np.exp(log_passage_times(log_rates, np.array([2])))
    np.fill_diagonal(log_rates, NOTHING)
    assert times == pytest.approx(times_by_linear_algebra(log_rates, [2]), rel=1e-9)


def test_two_states():
    forth, back = 3.0, 0.5
    log_rates = np.log(
        np.array([[0.0, forth], [back, 0.0]]), where=~np.eye(2, dtype=bool), out=np.full((2, 2), NOTHING)
    )
    found = passage(log_rates, np.log([back, forth]), np.array([0]), np.array([1]))
    for value, known in ((found.log_time, -np.log(forth)), (found.log_rate, np.log(forth))):
        assert value == pytest.approx(known)
    assert found.log_steady_rate == pytest.approx(np.log(forth))
    assert found.is_connected
    assert found.statement == ""


def test_three_states_in_a_row():
    """A to C over B: T = (k_AB + k_BA + k_BC) / (k_AB k_BC)."""
    ab, ba, bc, cb = 2.0, 7.0, 0.3, 0.05
    rates = np.array([[0, ab, 0], [ba, 0, bc], [0, cb, 0]])
    log_rates = np.where(rates > 0, np.log(np.maximum(rates, 1e-300)), NOTHING)
    population = np.log([1.0, ab / ba, ab / ba * bc / cb])
    found = passage(log_rates, population, np.array([0]), np.array([2]))
    assert np.exp(found.log_time) == pytest.approx((ab + ba + bc) / (ab * bc))
    assert np.exp(found.log_steady_rate) == pytest.approx(ab * bc / (ba + bc))
    chance = np.exp(log_committor(log_rates, np.array([0]), np.array([2])))
    assert chance == pytest.approx([0.0, bc / (ba + bc), 1.0])


@pytest.mark.parametrize("seed", range(3))
def test_exact_where_rates_span_forty_decades(seed):
    """Rates from 1e-30 to 1e12 per second, against fractions; dense linear algebra fails here."""
    rng = np.random.default_rng(seed)
    log_rates, _ = balanced(9, seed, share=0.5)
    log_rates = np.where(np.isfinite(log_rates), rng.uniform(np.log(1e-30), np.log(1e12), (9, 9)), NOTHING)
    found = log_passage_times(log_rates, np.array([8]))
    for row, known in exact_times(log_rates, [8]).items():
        assert np.exp(found[row]) == pytest.approx(float(known), rel=1e-11)


def test_nothing_under_or_overflows():
    """A chain of ten barriers of 500 kT each has a time beyond the largest float."""
    n = 11
    log_rates = np.full((n, n), NOTHING)
    log_rates[np.arange(n - 1), np.arange(1, n)] = -500.0
    log_rates[np.arange(1, n), np.arange(n - 1)] = 0.0
    found = log_passage_times(log_rates, np.array([n - 1]))
    assert found[0] == pytest.approx(5000.0, rel=1e-9)
    assert log_committor(log_rates, np.array([0]), np.array([n - 1]))[1] == pytest.approx(-4500.0, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_rates_of_groups(seed):
    log_rates, population = balanced(20, seed, spread=1.0)
    a, b = np.array([0, 1, 2]), np.array([11, 15])
    forth, back = passage(log_rates, population, a, b), passage(log_rates, population, b, a)
    weight = np.exp(population[a]) / np.exp(population[a]).sum()
    times = times_by_linear_algebra(log_rates, b)[a]
    assert np.exp(forth.log_time) == pytest.approx(weight @ times)
    assert np.exp(forth.log_rate) == pytest.approx(weight @ (1 / times))
    share_a, share_b = (np.exp(population[group]).sum() for group in (a, b))
    assert share_a * np.exp(forth.log_steady_rate) == pytest.approx(share_b * np.exp(back.log_steady_rate), rel=1e-9)
    # The chance in the target of ways straight out of the start, by linear algebra.
    chance = committor_by_linear_algebra(log_rates, a.tolist(), b.tolist())
    assert np.exp(forth.log_steady_rate) == pytest.approx(weight @ np.exp(log_rates[a]) @ chance)


def test_a_slow_gate_between_two_groups_sets_all_rates():
    log_rates, population = balanced(12, 0, spread=0.5, share=1.0)
    log_rates[:6, 6:] = log_rates[6:, :6] = NOTHING
    population -= population.mean()
    log_rates[0, 6], log_rates[6, 0] = -40.0 - population[0], -40.0 - population[6]
    found = passage(log_rates, population, np.arange(6), np.arange(6, 12))
    share = np.log(np.exp(population[:6]).sum())
    for value in (found.log_rate, found.log_steady_rate, -found.log_time):
        assert value == pytest.approx(-40.0 - share, abs=1e-9)


def test_what_is_not_connected_takes_for_ever():
    log_rates, population = balanced(10, 0)
    log_rates[:4, 4:] = log_rates[4:, :4] = NOTHING
    found = passage(log_rates, population, np.array([0, 1]), np.array([9]))
    assert (found.log_time, found.log_rate, found.log_steady_rate) == (np.inf, NOTHING, NOTHING)
    assert found.statement.startswith("not connected")
    some = passage(log_rates, population, np.array([0, 5]), np.array([9]))
    assert some.log_time == np.inf
    assert np.isfinite(some.log_rate)
    assert "1 of 2 minima" in some.statement
    assert np.isposinf(log_passage_times(log_rates, np.array([9]))[:4]).all()
    assert np.isnan(log_committor(log_rates, np.array([5]), np.array([9]))[:4]).all()


def test_a_trap_on_the_way_makes_the_time_infinite():
    log_rates = np.full((3, 3), NOTHING)
    log_rates[0, 1] = log_rates[0, 2] = 0.0
    times = log_passage_times(log_rates, np.array([1]))
    assert times.tolist() == [np.inf, NOTHING, np.inf]


def test_wrong_groups_are_told():
    log_rates, population = balanced(5, 0)
    with pytest.raises(InputError, match="rows of 5 minima"):
        log_passage_times(log_rates, np.array([5]))
    with pytest.raises(InputError, match="at least one"):
        log_passage_times(log_rates, np.array([]))
    with pytest.raises(InputError, match="without a common minimum"):
        passage(log_rates, population, np.array([0, 1]), np.array([1]))
