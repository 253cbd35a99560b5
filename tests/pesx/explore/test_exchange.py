import math
from dataclasses import replace

import torch

from pesx.explore.exchange import exchange
from pesx.explore.walkers import Walkers


def walkers(energies: list[float], temperatures: list[float]) -> Walkers:
    n = len(energies)
    kT = torch.tensor(temperatures, dtype=torch.float64)  # noqa: N806
    start = Walkers.start(torch.arange(n * 3.0).view(n, 1, 3), kT=kT, threshold=1.0)
    return replace(start, energy=torch.tensor(energies, dtype=torch.float64), minimum=torch.arange(n))


def test_a_lower_minimum_goes_to_the_colder_walker_for_sure() -> None:
    after = exchange(walkers([5.0, 1.0], [1.0, 2.0]), torch.full((2,), 0.999, dtype=torch.float64))
    assert after.energy.tolist() == [1.0, 5.0]
    assert after.minimum.tolist() == [1, 0]
    assert after.positions[:, 0, 0].tolist() == [3.0, 0.0]
    assert after.kT.tolist() == [1.0, 2.0]


def test_the_other_way_round_it_goes_with_the_chance_of_detailed_balance() -> None:
    chance = math.exp((1 / 1.0 - 1 / 2.0) * (1.0 - 3.0))
    for uniform, expected in ((0.99 * chance, [3.0, 1.0]), (1.01 * chance, [1.0, 3.0])):
        draws = torch.full((2,), uniform, dtype=torch.float64)
        assert exchange(walkers([1.0, 3.0], [1.0, 2.0]), draws).energy.tolist() == expected


def test_pairs_are_separate_and_an_odd_one_stays() -> None:
    after = exchange(walkers([2.0, 1.0, 4.0, 3.0, 0.0], [1.0, 2.0, 3.0, 4.0, 5.0]), torch.zeros(5, dtype=torch.float64))
    assert after.energy.tolist() == [1.0, 2.0, 3.0, 4.0, 0.0]


def test_walkers_without_a_minimum_do_not_take_part() -> None:
    before = walkers([math.inf, 1.0], [1.0, 2.0])
    assert torch.equal(exchange(before, torch.zeros(2, dtype=torch.float64)).energy, before.energy)
