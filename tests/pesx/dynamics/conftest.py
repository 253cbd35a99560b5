"""Small systems with known answers."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from pesx.state import Evaluation
from pesx.typing import Float, Int, Positions, Tensor


@dataclass(frozen=True, eq=False)
class Springs:
    """Atoms joined by springs: a solid that is harmonic in its distances, free to move and turn."""

    pairs: Int[Tensor, "P 2"]
    lengths: Float[Tensor, "P"]
    stiffness: float

    def __call__(self, positions: Positions) -> Evaluation:
        i, j = self.pairs.unbind(dim=1)
        arms = positions[:, i] - positions[:, j]
        distances = arms.square().sum(dim=2).sqrt()
        stretch = distances - self.lengths.to(positions)
        pull = (self.stiffness * stretch / distances)[..., None] * arms
        forces = torch.zeros_like(positions).index_add(1, i, -pull).index_add(1, j, pull)
        return Evaluation(0.5 * self.stiffness * stretch.double().square().sum(dim=1), forces)


@dataclass(frozen=True)
class Well:
    """A harmonic well for every coordinate of every atom."""

    stiffness: float

    def __call__(self, positions: Positions) -> Evaluation:
        energy = 0.5 * self.stiffness * positions.double().square().sum(dim=(1, 2))
        return Evaluation(energy, -self.stiffness * positions)


@dataclass(frozen=True, eq=False)
class Solid:
    """A small solid of three elements at rest, joined by springs."""

    potential: Springs
    positions: Float[Tensor, "N 3"]
    masses: Float[Tensor, "N"]

    def replicas(self, n: int) -> Positions:
        return self.positions.expand(n, -1, -1).clone()


@pytest.fixture(scope="session")
def solid() -> Solid:
    """A cube with its centre, masses of oxygen, carbon and hydrogen."""
    corners = torch.cartesian_prod(*[torch.tensor([-0.7, 0.7], dtype=torch.float64)] * 3)
    positions = torch.cat([torch.zeros(1, 3, dtype=torch.float64), corners])
    masses = torch.tensor([16.0] + [12.0, 1.0] * 4, dtype=torch.float64) / 9.648533212e-3
    pairs = torch.combinations(torch.arange(9), 2)
    lengths = (positions[pairs[:, 0]] - positions[pairs[:, 1]]).square().sum(dim=1).sqrt()
    return Solid(Springs(pairs, lengths, 3.0), positions, masses)


@pytest.fixture(scope="session")
def springs() -> Callable[..., Springs]:
    return Springs


@pytest.fixture(scope="session")
def well() -> Callable[[float], Well]:
    return Well
