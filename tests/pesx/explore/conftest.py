from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from pesx.explore.walkers import Settled, Walkers
from pesx.outcome import Outcome
from pesx.state import Found, Minima

Settle = Callable[..., Settled]


@pytest.fixture
def settle() -> Settle:
    """Makes the ends of hops from plain lists."""

    def make(
        energy: list[float],
        index: list[int],
        *,
        is_new: list[bool] | None = None,
        outcome: list[Outcome] | None = None,
        uniform: float = 0.5,
    ) -> Settled:
        n = len(energy)
        minima = Minima(
            positions=torch.arange(n * 6, dtype=torch.float64).view(n, 2, 3),
            energy=torch.tensor(energy, dtype=torch.float64),
            fmax=torch.zeros(n, dtype=torch.float64),
            outcome=torch.tensor([int(code) for code in outcome or [Outcome.CONVERGED] * n]),
            n_evaluations=torch.full((n,), 100),
        )
        found = Found(torch.tensor(index), torch.tensor(is_new or [False] * n))
        return Settled(minima, found, torch.full((n,), uniform, dtype=torch.float64))

    return make


@pytest.fixture
def settled_walkers() -> Callable[[Walkers], Walkers]:
    """Gives walkers a first minimum: number 0, energy 0."""

    def make(walkers: Walkers) -> Walkers:
        return replace(walkers, energy=torch.zeros_like(walkers.energy), minimum=torch.zeros_like(walkers.minimum))

    return make
