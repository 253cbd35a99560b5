import math
from dataclasses import replace

import pytest
import torch

from pesx.explore.basin_hopping import BasinHopping
from pesx.explore.exchange import exchange, on_ladder
from pesx.explore.minima_hopping import MinimaHopping
from pesx.explore.mixed import Mixed
from pesx.explore.walkers import Walkers
from pesx.moves.displace import Displace


def walkers(energies: list[float], temperatures: list[float]) -> Walkers:
    n = len(energies)
    kT = torch.tensor(temperatures, dtype=torch.float64)  # noqa: N806
    start = Walkers.start(torch.arange(n * 3.0).view(n, 1, 3), kT=kT, threshold=1.0)
    return replace(start, energy=torch.tensor(energies, dtype=torch.float64), minimum=torch.arange(n))


def swapped(before: Walkers, uniform: float, takes_part: list[bool] | None = None) -> Walkers:
    n = len(before.energy)
    return exchange(before, torch.full((n,), uniform, dtype=torch.float64), torch.tensor(takes_part or [True] * n))


def test_a_lower_minimum_goes_to_the_colder_walker_for_sure() -> None:
    after = swapped(walkers([5.0, 1.0], [1.0, 2.0]), 0.999)
    assert after.energy.tolist() == [1.0, 5.0]
    assert after.minimum.tolist() == [1, 0]
    assert after.positions[:, 0, 0].tolist() == [3.0, 0.0]
    assert after.kT.tolist() == [1.0, 2.0]


def test_the_other_way_round_it_goes_with_the_chance_of_detailed_balance() -> None:
    chance = math.exp((1 / 1.0 - 1 / 2.0) * (1.0 - 3.0))
    for uniform, expected in ((0.99 * chance, [3.0, 1.0]), (1.01 * chance, [1.0, 3.0])):
        assert swapped(walkers([1.0, 3.0], [1.0, 2.0]), uniform).energy.tolist() == expected


def test_pairs_are_separate_and_an_odd_one_stays() -> None:
    after = swapped(walkers([2.0, 1.0, 4.0, 3.0, 0.0], [1.0, 2.0, 3.0, 4.0, 5.0]), 0.0)
    assert after.energy.tolist() == [1.0, 2.0, 3.0, 4.0, 0.0]


def test_neighbours_are_those_in_temperature_whatever_their_order() -> None:
    energies, temperatures = [4.0, 1.0, 3.0, 2.0], [8.0, 1.0, 2.0, 4.0]
    after = swapped(walkers(energies, temperatures), 0.999)
    # 1 and 2 stay, because the colder one stands lower; 4 and 8 swap nothing for the same reason.
    assert after.energy.tolist() == energies
    after = swapped(walkers([1.0, 4.0, 3.0, 2.0], temperatures), 0.999)
    assert after.energy.tolist() == [2.0, 3.0, 4.0, 1.0]


@pytest.mark.parametrize("nowhere", [math.inf, math.nan])
def test_walkers_without_a_minimum_do_not_take_part(nowhere: float) -> None:
    before = walkers([nowhere, 5.0, 1.0], [1.0, 2.0, 3.0])
    assert swapped(before, 0.999).energy[1:].tolist() == [1.0, 5.0]
    assert swapped(before, 0.999).minimum.tolist() == [0, 2, 1]


def test_who_may_not_swap_stays() -> None:
    before = walkers([5.0, 1.0, 0.0], [1.0, 2.0, 3.0])
    assert swapped(before, 0.0, [True, False, True]).energy.tolist() == [0.0, 1.0, 5.0]
    assert swapped(before, 0.0, [True, False, False]).energy.tolist() == before.energy.tolist()


def test_only_basin_hopping_has_a_ladder() -> None:
    moves = (Displace(), None)
    plain = BasinHopping(moves, kT=1.0, escape_kT=1.0)
    ladder = replace(plain, ladder=4.0)
    limits = {"kT_min": 0.1, "kT_max": 10.0, "threshold_min": 0.1, "threshold_max": 10.0}
    minima = MinimaHopping(kT=1.0, threshold=1.0, escape=1, **limits)
    positions = torch.zeros(4, 1, 3)
    for explorer, expected in (
        (ladder, [True] * 4),
        (plain, [False] * 4),
        (minima, [False] * 4),
        (Mixed((ladder, minima)), [True, False, True, False]),
    ):
        assert on_ladder(explorer, explorer.start(positions)).tolist() == expected
