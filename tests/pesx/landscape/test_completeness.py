import math

import numpy as np
import pytest
import torch

from pesx.errors import InputError
from pesx.landscape.completeness import WARNING, completeness, recapture


def counts(n_minima: int, n_once: int, n_twice: int, n_visits: int) -> torch.Tensor:
    """Visit counts with these totals; the minima seen more often share the rest."""
    n_often = n_minima - n_once - n_twice
    often = torch.full((n_often,), (n_visits - n_once - 2 * n_twice) // n_often)
    often[0] += n_visits - n_once - 2 * n_twice - int(often.sum())
    return torch.cat([often, torch.ones(n_once), 2 * torch.ones(n_twice)]).long()


# Random-start quenches of Lennard-Jones clusters: quenches, found, f1, f2, unseen mass, Chao1.
MEASURED = {
    "LJ11": (99_349, 169, 3, 2, 3.0e-5, 171),
    "LJ12 early": (39_747, 454, 42, 25, 1.06e-3, 489),
    "LJ12": (397_583, 510, 7, 9, 1.8e-5, 513),
    "LJ12 late": (1_325_421, 515, 2, 2, 1.5e-6, 516),
    "LJ13 early": (59_674, 1124, 198, 142, 3.3e-3, 1262),
    "LJ13": (596_590, 1424, 81, 57, 1.4e-4, 1482),
}


@pytest.mark.parametrize("case", MEASURED)
def test_measured_clusters(case: str):
    n_visits, n_minima, n_once, n_twice, mass, number = MEASURED[case]
    seen = completeness(counts(n_minima, n_once, n_twice, n_visits))
    assert (seen.n_minima, seen.n_visits, seen.n_once, seen.n_twice) == (n_minima, n_visits, n_once, n_twice)
    assert seen.unseen_mass == pytest.approx(mass, rel=0.05)
    assert seen.n_estimated == pytest.approx(number, abs=0.8)
    assert seen.n_estimated_lower < seen.n_estimated < seen.n_estimated_upper


def test_by_hand():
    seen = completeness(torch.tensor([1, 1, 1, 2, 5, 0]))
    assert seen.n_minima == 5
    assert seen.unseen_mass == 3 / 10
    assert seen.n_estimated == pytest.approx(5 + 0.9 * 9 / 2)
    assert seen.unseen_mass_upper == pytest.approx(0.3 + 1.6448536 * math.sqrt(3 * 0.7 + 2) / 10)
    # Chao 1987 with f1 = 3, f2 = 1: variance 1 (0.45 * 9 + 0.81 * 27 + 0.2025 * 81).
    factor = math.exp(1.959964 * math.sqrt(math.log(1 + (0.45 * 9 + 0.81 * 27 + 0.2025 * 81) / 4.05**2)))
    assert seen.n_estimated_lower == pytest.approx(5 + 4.05 / factor)
    assert seen.n_estimated_upper == pytest.approx(5 + 4.05 * factor)


def test_none_seen_twice():
    seen = completeness(torch.tensor([1, 1, 1, 7]))
    assert seen.n_estimated == pytest.approx(4 + 0.9 * 3 * 2 / 2)
    assert 4 < seen.n_estimated_lower < seen.n_estimated < seen.n_estimated_upper < math.inf


def test_nothing_seen():
    seen = completeness(torch.zeros(0, dtype=torch.int64))
    assert (seen.unseen_mass, seen.unseen_mass_upper) == (1.0, 1.0)
    assert (seen.n_estimated, seen.n_estimated_upper) == (0.0, math.inf)
    assert "Nothing" in seen.sentence


def test_one_minimum_once():
    seen = completeness(torch.tensor([1]))
    assert (seen.unseen_mass, seen.unseen_mass_upper, seen.n_estimated) == (1.0, 1.0, 1.0)
    assert seen.n_estimated_upper > 1.0


def test_one_minimum_often():
    seen = completeness(torch.tensor([1000]))
    assert seen.unseen_mass == 0.0
    assert seen.unseen_mass_upper == pytest.approx(-math.log(0.05) / 1000)
    assert (seen.n_estimated, seen.n_estimated_lower) == (1.0, 1.0)
    assert seen.n_estimated_upper == pytest.approx(1.0)


def test_the_bound_covers_the_true_unseen_mass():
    rng = np.random.default_rng(0)
    probability = 1 / np.arange(1, 301) ** 1.5
    probability /= probability.sum()
    n_covered = 0
    for _ in range(400):
        visits = rng.multinomial(1500, probability)
        bound = completeness(torch.from_numpy(visits)).unseen_mass_upper
        n_covered += probability[visits == 0].sum() <= bound
    # 95 % expected; five standard deviations of 400 trials below that.
    assert n_covered / 400 > 0.95 - 5 * math.sqrt(0.95 * 0.05 / 400)


def test_more_confidence_widens():
    visits = torch.tensor([1, 1, 1, 2, 2, 9, 30])
    narrow, wide = completeness(visits, confidence=0.8), completeness(visits, confidence=0.99)
    assert wide.unseen_mass_upper > narrow.unseen_mass_upper
    assert wide.n_estimated_upper > narrow.n_estimated_upper
    assert wide.n_estimated_lower < narrow.n_estimated_lower


def test_the_sentence_warns():
    assert WARNING in completeness(torch.tensor([1, 2, 3])).sentence


@pytest.mark.parametrize("confidence", [0.0, 1.0, float("nan")])
def test_confidence_is_checked(confidence: float):
    with pytest.raises(InputError, match="confidence"):
        completeness(torch.tensor([1]), confidence=confidence)


def caught(n_first: int, n_second: int, n_both: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which minima two parts of a search saw."""
    first, second = torch.zeros(2, n_first + n_second, dtype=torch.bool)
    first[:n_first] = True
    second[n_first - n_both : n_first - n_both + n_second] = True
    return first, second


def test_recapture_by_hand():
    again = recapture(*caught(200, 100, 50))
    assert (again.n_first, again.n_second, again.n_both) == (200, 100, 50)
    assert again.n_estimated == pytest.approx(201 * 101 / 51 - 1)
    variance = 201 * 101 * 150 * 50 / (51**2 * 52)
    unseen = again.n_estimated - 250
    factor = math.exp(1.959964 * math.sqrt(math.log(1 + variance / unseen**2)))
    assert again.n_estimated_lower == pytest.approx(250 + unseen / factor)
    assert again.n_estimated_upper == pytest.approx(250 + unseen * factor)
    assert "200 minima, the other 100, both 50: about 397 in all" in again.sentence


def test_recapture_when_both_saw_all():
    again = recapture(*caught(30, 30, 30))
    assert (again.n_estimated, again.n_estimated_lower, again.n_estimated_upper) == (30.0, 30.0, 30.0)


def test_recapture_of_nothing_in_common():
    again = recapture(*caught(5, 4, 0))
    assert again.n_estimated == 29.0
    assert 9 < again.n_estimated_lower < 29 < again.n_estimated_upper < math.inf


def test_intervals_of_recapture_hold_what_they_promise():
    rng = np.random.default_rng(0)
    n, n_trials = 300, 1000
    seen = torch.from_numpy(rng.random((n_trials, 2, n)) < np.array([0.4, 0.3])[:, None])
    found = [recapture(first, second) for first, second in seen]
    share = np.mean([again.n_estimated_lower <= n <= again.n_estimated_upper for again in found])
    assert 0.92 < share < 0.98
    assert np.mean([again.n_estimated for again in found]) == pytest.approx(n, rel=0.02)


def test_recapture_wants_a_confidence():
    with pytest.raises(InputError, match="confidence"):
        recapture(*caught(2, 2, 1), confidence=1.0)
