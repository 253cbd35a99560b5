from dataclasses import replace

import pytest
import torch

from pesx.errors import ConfigError
from pesx.explore.relocate import Relocate
from pesx.explore.walkers import Walkers


def move(walkers: Walkers, uniform: torch.Tensor, visits: list[int], after: int = 5) -> Walkers:
    n = len(visits)
    return Relocate(after)(
        walkers,
        uniform,
        positions=torch.arange(n * 3.0, dtype=torch.float64).view(n, 1, 3),
        energy=-torch.arange(n, dtype=torch.float64),
        visits=torch.tensor(visits),
    )


def idle(counts: list[int]) -> Walkers:
    n = len(counts)
    start = Walkers.start(torch.zeros(n, 1, 3), kT=torch.ones(n), threshold=1.0)
    return replace(start, idle=torch.tensor(counts), energy=torch.full((n,), 9.0, dtype=torch.float64))


def test_only_idle_walkers_move_and_they_start_counting_anew() -> None:
    after = move(idle([4, 5, 50]), torch.full((3,), 0.5, dtype=torch.float64), [1, 1, 1])
    assert after.energy.tolist() == [9.0, -1.0, -1.0]
    assert after.minimum.tolist() == [-1, 1, 1]
    assert after.idle.tolist() == [4, 0, 0]
    assert after.positions[1, 0].tolist() == [3.0, 4.0, 5.0]


def test_minima_seen_rarely_are_preferred() -> None:
    n = 4000
    uniform = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    counts = torch.bincount(move(idle([9] * n), uniform, [1, 2, 10]).minimum, minlength=3) / n
    weights = torch.tensor([1.0, 0.25, 0.01])
    assert torch.allclose(counts, weights / weights.sum(), atol=1e-3)


def test_without_other_places_or_when_switched_off_all_stay() -> None:
    uniform = torch.zeros(1, dtype=torch.float64)
    assert move(idle([99]), uniform, [3]).energy.tolist() == [9.0]
    assert move(idle([99]), uniform, [3, 3], after=0).energy.tolist() == [9.0]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError):
        Relocate(-1)
