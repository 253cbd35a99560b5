import pytest
import torch

from pesx.errors import ConfigError
from pesx.explore.basin_hopping import BasinHopping
from pesx.explore.minima_hopping import MinimaHopping
from pesx.explore.mixed import Mixed
from pesx.moves.displace import Displace
from pesx.state import take_rows
from pesx.streams import Streams

BASIN = BasinHopping(moves=[Displace(0.1), None], kT=1.0, escape_kT=0.3)
MINIMA = MinimaHopping(kT=0.2, kT_min=0.1, kT_max=2.0, threshold=0.5, threshold_min=0.1, threshold_max=1.0, escape=1)
MIXED = Mixed((BASIN, MINIMA))


def test_walkers_are_dealt_in_turn() -> None:
    walkers = MIXED.start(torch.arange(15.0).view(5, 1, 3).double())
    assert walkers.method.tolist() == [0, 1, 0, 1, 0]
    assert walkers.kT.tolist() == [1.0, 0.2, 1.0, 0.2, 1.0]
    assert walkers.positions[:, 0, 0].tolist() == [0.0, 3.0, 6.0, 9.0, 12.0]


def test_each_walker_hops_as_its_own_explorer_says() -> None:
    walkers, shares = MIXED.start(torch.zeros(6, 4, 3)), torch.tensor([0.5, 0.5], dtype=torch.float64)
    hops = MIXED.propose(walkers, shares, Streams(1, range(6), [0] * 6))
    for method, explorer in enumerate((BASIN, MINIMA)):
        rows = walkers.method == method
        numbers = rows.nonzero()[:, 0].tolist()
        own = explorer.propose(take_rows(walkers, rows), shares, Streams(1, numbers, [0] * len(numbers)))
        assert torch.equal(hops.positions[rows], own.positions)
        assert torch.equal(hops.kinetic[rows], own.kinetic)


def test_each_walker_learns_as_its_own_explorer_says(settle, settled_walkers) -> None:
    walkers = settled_walkers(MIXED.start(torch.zeros(4, 2, 3)))
    settled = settle([0.4, 0.4, 2.0, 2.0], [1, 2, 3, 4], is_new=[True] * 4)
    after, accepted = MIXED.update(walkers, settled)
    for method, explorer in enumerate((BASIN, MINIMA)):
        rows = walkers.method == method
        own, own_accepted = explorer.update(take_rows(walkers, rows), take_rows(settled, rows))
        assert torch.equal(after.kT[rows], own.kT)
        assert torch.equal(accepted[rows], own_accepted)
    assert torch.equal(after.method, walkers.method)


def test_nobody_to_ask_is_refused() -> None:
    with pytest.raises(ConfigError):
        Mixed(())
