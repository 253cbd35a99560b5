import math
from dataclasses import replace

import pytest
import torch

from pesx.errors import ConfigError
from pesx.explore.basin_hopping import BasinHopping
from pesx.moves.displace import Displace
from pesx.streams import Streams

HOPPING = BasinHopping(moves=[Displace(0.1), Displace(10.0), None], kT=1.0, escape_kT=0.3)


def test_each_walker_makes_the_move_it_drew() -> None:
    n = 300
    walkers = HOPPING.start(torch.zeros(n, 4, 3))
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    hops = HOPPING.propose(walkers, shares, Streams(0, range(n), [0] * n))
    counts = torch.bincount(hops.move, minlength=3) / n
    assert torch.allclose(counts, shares.float(), atol=0.09)
    size = hops.positions.abs().amax(dim=(1, 2))
    assert (size[hops.move == 0] <= 0.1).all()
    assert (size[hops.move == 1] > 1.0).all()
    assert (size[hops.move == 2] == 0).all()
    assert ((hops.kinetic > 0) == (hops.move == 2)).all()


def test_a_walker_hops_alone_as_in_a_batch() -> None:
    walkers = HOPPING.start(torch.zeros(5, 4, 3))
    shares = torch.full((3,), 1 / 3, dtype=torch.float64)
    together = HOPPING.propose(walkers, shares, Streams(4, range(5), [2] * 5))
    one = HOPPING.start(torch.zeros(1, 4, 3))
    alone = HOPPING.propose(one, shares, Streams(4, [3], [2]))
    assert torch.equal(alone.positions[0], together.positions[3])
    assert torch.equal(alone.kinetic[0], together.kinetic[3])


def test_metropolis_decides(settle, settled_walkers) -> None:
    walkers = settled_walkers(HOPPING.start(torch.zeros(3, 2, 3)))
    chance = math.exp(-1.0)
    for uniform, expected in ((0.9 * chance, [True, True, True]), (1.1 * chance, [True, False, True])):
        _, accepted = HOPPING.update(walkers, settle([-1.0, 1.0, 0.0], [1, 2, 3], uniform=uniform))
        assert accepted.tolist() == expected


def test_scale_and_temperature_settle_where_the_aimed_shares_are_met(settle, settled_walkers) -> None:
    """With a basin that 80 of 100 hops leave at scale 1, and a landscape that accepts 35 of 100 at kT 1, that is at 1."""
    walkers = settled_walkers(HOPPING.start(torch.zeros(1, 2, 3)))
    draws = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0))
    logs = []
    for leave, accept in draws.tolist():
        is_same = leave > 1 - 0.2 ** float(walkers.scale)
        is_accepted = accept < 0.35 ** (1 / float(walkers.kT))
        energy = 0.0 if is_same else (-1e-9 if is_accepted else 1e9)
        walkers, _ = HOPPING.update(settled_walkers(walkers), settle([energy], [0 if is_same else 5]))
        logs.append((float(walkers.scale.log()), float(walkers.kT.log())))
    scale, temperature = torch.tensor(logs[500:]).mean(dim=0).tolist()
    assert abs(scale) < 0.15
    assert abs(temperature) < 0.15


def test_staying_in_the_basin_makes_moves_larger(settle, settled_walkers) -> None:
    walkers = settled_walkers(HOPPING.start(torch.zeros(2, 2, 3)))
    for _ in range(100):
        walkers, _ = HOPPING.update(walkers, settle([0.0, 50.0], [0, 3]))
    assert float(walkers.scale[0]) == HOPPING.scale_range[1]
    assert float(walkers.scale[1]) < 1.0
    assert float(walkers.kT[1]) == HOPPING.kT * HOPPING.kT_range[1]


def test_a_ladder_keeps_its_temperatures(settle, settled_walkers) -> None:
    ladder = replace(HOPPING, ladder=8.0)
    walkers = settled_walkers(ladder.start(torch.zeros(4, 2, 3)))
    assert walkers.kT.tolist() == pytest.approx([1.0, 2.0, 4.0, 8.0])
    after, _ = ladder.update(walkers, settle([1.0] * 4, [1, 2, 3, 4]))
    assert torch.equal(after.kT, walkers.kT)


@pytest.mark.parametrize("wrong", [{"kT": 0.0}, {"ladder": 0.5}, {"moves": []}, {"scale_range": (2.0, 1.0)}])
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(HOPPING, **wrong)
