from dataclasses import replace

import pytest
import torch

from pesx.explore.basin_hopping import BasinHopping
from pesx.explore.minima_hopping import MinimaHopping
from pesx.explore.mixed import Mixed
from pesx.explore.walkers import MEMORY, Explorer, Walkers, stand
from pesx.moves.displace import Displace
from pesx.outcome import Outcome

BASIN = BasinHopping((Displace(), None), kT=1.0, escape_kT=1.0)


@pytest.fixture
def walkers() -> Walkers:
    start = Walkers.start(torch.full((3, 2, 3), -1.0), kT=torch.ones(3), threshold=0.5)
    return replace(start, energy=torch.zeros(3, dtype=torch.float64), minimum=torch.zeros(3).long())


def test_walkers_start_nowhere() -> None:
    start = BASIN.start(torch.zeros(2, 2, 3))
    assert torch.isinf(start.energy).all()
    assert start.minimum.tolist() == [-1, -1]
    assert start.recent.shape == (2, MEMORY)
    assert {tensor.dtype for tensor in (start.positions, start.energy, start.kT)} == {torch.float64}


def test_who_accepts_stands_at_the_new_minimum_the_others_stay(walkers, settle) -> None:
    settled = settle([1.0, 2.0, 3.0], [4, 5, 6])
    after = stand(walkers, settled, torch.tensor([True, False, True]))
    assert after.energy.tolist() == [1.0, 0.0, 3.0]
    assert after.minimum.tolist() == [4, 0, 6]
    assert torch.equal(after.positions[[0, 2]], settled.minima.positions[[0, 2]])
    assert torch.equal(after.positions[1], walkers.positions[1])


def test_every_visit_is_remembered_and_only_what_nobody_had_found_resets_the_count(walkers, settle) -> None:
    settled = settle([1.0, 2.0, 3.0], [4, 5, -1], is_new=[True, False, False])
    after = stand(walkers, settled, torch.zeros(3, dtype=torch.bool))
    assert after.idle.tolist() == [0, 1, 1]
    again = stand(after, settle([1.0] * 3, [7, 8, 9]), torch.zeros(3, dtype=torch.bool))
    assert again.recent[:, :3].tolist() == [[7, 4, -1], [8, 5, -1], [9, -1, -1]]
    assert again.recent.shape == walkers.recent.shape


def test_a_minimum_outside_the_window_will_do_a_failure_will_not(settle) -> None:
    outcomes = list(Outcome)
    settled = settle([0.0] * len(outcomes), [-1] * len(outcomes), outcome=outcomes)
    usable = {outcome for outcome, is_usable in zip(outcomes, settled.is_usable.tolist(), strict=True) if is_usable}
    assert usable == {Outcome.CONVERGED, Outcome.OUTSIDE_WINDOW}


def test_explorers_are_recognised() -> None:
    limits = {"kT_min": 0.1, "kT_max": 10.0, "threshold_min": 0.1, "threshold_max": 10.0}
    minima = MinimaHopping(kT=1.0, threshold=1.0, escape=1, **limits)
    assert all(isinstance(one, Explorer) for one in (BASIN, minima, Mixed((BASIN, minima))))
    assert not isinstance(Displace(), Explorer)
