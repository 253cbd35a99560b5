import pytest
import torch

from pesx.errors import ConfigError
from pesx.explore.minima_hopping import MinimaHopping
from pesx.outcome import Outcome
from pesx.streams import Streams

HOPPING = MinimaHopping(kT=1.0, kT_min=0.5, kT_max=2.0, threshold=0.5, threshold_min=0.1, threshold_max=1.0, escape=3)


def test_feedback_heats_when_nothing_changes_and_cools_when_something_is_new(settle, settled_walkers) -> None:
    walkers = settled_walkers(HOPPING.start(torch.zeros(4, 2, 3)))
    walkers.recent[2, 0] = 7
    # The same minimum; a new one; one this walker knows; one that only others know.
    after, accepted = HOPPING.update(
        walkers, settle([0.0, 0.1, 0.1, 0.1], [0, 9, 7, 8], is_new=[False, True, False, False])
    )
    assert after.kT.tolist() == pytest.approx([1.1, 1 / 1.1, 1.05, 1.0])
    assert accepted.tolist() == [False, True, True, True]


def test_the_threshold_decides_and_follows_its_decisions(settle, settled_walkers) -> None:
    walkers = settled_walkers(HOPPING.start(torch.zeros(3, 2, 3)))
    after, accepted = HOPPING.update(walkers, settle([0.4, 0.6, -3.0], [1, 2, 3]))
    assert accepted.tolist() == [True, False, True]
    assert after.threshold.tolist() == pytest.approx([0.5 * 0.95, 0.5 / 0.95, 0.5 * 0.95])
    assert after.minimum.tolist() == [1, 0, 3]
    assert after.energy.tolist() == [0.4, 0.0, -3.0]


def test_temperature_and_threshold_never_leave_their_bounds(settle, settled_walkers) -> None:
    walkers = settled_walkers(HOPPING.start(torch.zeros(2, 2, 3)))
    for _ in range(50):
        walkers, _ = HOPPING.update(walkers, settle([0.0, 9.0], [0, 5], is_new=[False, True]))
    assert walkers.kT.tolist() == [2.0, 0.5]
    assert walkers.threshold.tolist() == pytest.approx([0.5, 1.0])


def test_failures_change_neither_place_nor_temperature(settle, settled_walkers) -> None:
    walkers = settled_walkers(HOPPING.start(torch.zeros(2, 2, 3)))
    failed = [Outcome.BOND_CHANGED, Outcome.NON_FINITE]
    after, accepted = HOPPING.update(walkers, settle([-9.0, float("nan")], [-1, -1], outcome=failed))
    assert not accepted.any()
    assert torch.equal(after.kT, walkers.kT)
    assert torch.equal(after.energy, walkers.energy)


def test_minima_above_the_window_can_be_passed_through(settle, settled_walkers) -> None:
    walkers = settled_walkers(HOPPING.start(torch.zeros(1, 2, 3)))
    after, accepted = HOPPING.update(walkers, settle([0.3], [-1], outcome=[Outcome.OUTSIDE_WINDOW]))
    assert accepted.all()
    assert after.minimum.tolist() == [-1]


def test_the_first_minimum_is_always_accepted(settle) -> None:
    _, accepted = HOPPING.update(HOPPING.start(torch.zeros(1, 2, 3)), settle([500.0], [0], is_new=[True]))
    assert accepted.all()


def test_hops_are_escapes_with_the_energy_of_the_temperature() -> None:
    walkers = HOPPING.start(torch.zeros(3, 4, 3))
    hops = HOPPING.propose(walkers, torch.ones(4), Streams(0, [0, 1, 2], [0, 0, 0]))
    assert hops.move.tolist() == [3, 3, 3]
    assert hops.kinetic.tolist() == pytest.approx([0.5 * 6 * 1.0] * 3)
    assert torch.equal(hops.positions, walkers.positions)


@pytest.mark.parametrize("wrong", [{"kT": 3.0}, {"threshold_min": 0.0}, {"kT_min": -1.0}])
def test_settings_out_of_range_are_refused(wrong) -> None:
    settings = {
        "kT": 1.0,
        "kT_min": 0.5,
        "kT_max": 2.0,
        "threshold": 0.5,
        "threshold_min": 0.1,
        "threshold_max": 1.0,
        "escape": 0,
    }
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MinimaHopping(**(settings | wrong))
