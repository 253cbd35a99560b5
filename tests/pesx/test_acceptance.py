import torch

from pesx.acceptance import Metropolis


def test_downhill_always_uphill_with_the_boltzmann_chance() -> None:
    n = 40_000
    uniform = torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kT = torch.full((n,), 0.5, dtype=torch.float64)  # noqa: N806
    for rise, chance in ((-1.0, 1.0), (0.0, 1.0), (0.5, 0.36788), (2.0, 0.018316)):
        share = float(Metropolis()(torch.full_like(kT, rise), kT, uniform).double().mean())
        assert abs(share - chance) <= 5 * (chance * (1 - chance) / n) ** 0.5


def test_a_walker_without_a_minimum_takes_the_first() -> None:
    one = torch.ones(1, dtype=torch.float64)
    assert Metropolis()(-torch.inf * one, 0.1 * one, 0.999 * one).all()
