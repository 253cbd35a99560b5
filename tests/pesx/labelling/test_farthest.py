from itertools import combinations

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.labelling.farthest import farthest_points

LINE = np.arange(9.0)[:, None]


def test_points_on_a_line() -> None:
    assert farthest_points(LINE, 5).tolist() == [4, 0, 8, 2, 6]
    assert farthest_points(LINE, 3, start=[0]).tolist() == [0, 8, 4]
    assert farthest_points(LINE, 4, start=[0, 8]).tolist()[:3] == [0, 8, 4]


def _radius(rows, chosen) -> float:
    return np.linalg.norm(rows[:, None] - rows[list(chosen)][None], axis=-1).min(axis=1).max()


@pytest.mark.parametrize("seed", range(5))
def test_no_row_is_farther_than_twice_what_is_possible(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((12, 2))
    best = min(_radius(rows, chosen) for chosen in combinations(range(12), 3))
    assert _radius(rows, farthest_points(rows, 3)) <= 2.0 * best


def test_duplicates_come_last_and_nothing_comes_twice() -> None:
    rows = np.repeat(LINE[:3], 2, axis=0)
    chosen = farthest_points(rows, 99).tolist()
    assert {rows[index, 0] for index in chosen[:3]} == {0.0, 1.0, 2.0}
    assert sorted(chosen) == list(range(6))


@pytest.mark.parametrize(("rows", "n"), [(LINE, 0), (LINE[:0], 1), (np.full((2, 2), np.nan), 1)])
def test_what_cannot_be_chosen_from(rows, n: int) -> None:
    with pytest.raises(InputError):
        farthest_points(rows, n)
