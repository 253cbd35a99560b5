import math
from dataclasses import replace

import pytest
import torch

from pesx.errors import ConfigError
from pesx.explore.stop import Progress, Stop

NOW = Progress(
    n_minima=10,
    n_stored=12,
    lowest=-1.0,
    n_quenches=100,
    n_since_new=40,
    n_evaluations=9000,
    occupancy=1.0,
    seconds=60.0,
    visits=torch.ones(10, dtype=torch.long),
)


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (Stop(n_minima=10), "10 minima"),
        (Stop(n_minima=11, max_evaluations=9000), "9000 force evaluations"),
        (Stop(n_minima=11, max_quenches=100), "100 quenches"),
        (Stop(n_minima=11, max_seconds=59), "59 s"),
        (Stop(n_minima=11, patience=1, least_patience=40), "nothing new"),
    ],
)
def test_the_first_limit_met_is_named(stop: Stop, words: str) -> None:
    assert words in (stop.reason(NOW) or "")


def test_within_all_limits_the_search_goes_on() -> None:
    stop = Stop(n_minima=11, max_evaluations=9001, max_quenches=101, max_seconds=61, patience=4, least_patience=40)
    assert stop.reason(NOW) is None
    assert stop.reason(replace(NOW, n_since_new=48)) is not None


@pytest.mark.parametrize(
    "limits",
    [
        {"n_minima": 4},
        {"max_evaluations": 100},
        {"max_quenches": 99},
        {"max_seconds": 0.5},
        {"patience": 0.5, "least_patience": 40},
        {"max_quenches": 100, "max_seconds": 1.0, "patience": 3, "least_patience": 30},
    ],
)
def test_with_every_limit_raised_the_search_goes_on(limits: dict[str, float]) -> None:
    stop = Stop(**({"n_minima": 11} | limits))  # type: ignore[arg-type]
    met = stop.met(NOW)
    assert {reason.limit for reason in met} == limits.keys() - {"least_patience"}
    assert stop.reason(NOW) == met[0].text
    assert replace(stop, **{reason.limit: reason.higher for reason in met}).reason(NOW) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("n_stored", [0, 12])
def test_infinite_patience_waits_for_ever(n_stored: int) -> None:
    now = replace(NOW, n_stored=n_stored, n_since_new=10**9)
    assert Stop(n_minima=11, patience=math.inf).reason(now) is None


@pytest.mark.parametrize("wrong", [{"n_minima": 0}, {"max_evaluations": 0}, {"max_quenches": -1}, {"max_seconds": 0.0}])
def test_limits_of_zero_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Stop(**({"n_minima": 1} | wrong))  # type: ignore[arg-type]
