import math

import pytest
import torch

from pesx.so3krates.graph import replicas
from pesx.so3krates.settings import So3kratesSettings
from pesx.so3krates.zbl import REACH, ZblRepulsion
from pesx.units import BOHR, HARTREE


@pytest.fixture
def zbl() -> ZblRepulsion:
    return ZblRepulsion(So3kratesSettings()).double()


def pair(distance: float, numbers=(6, 8)):
    positions = torch.tensor([[[0.0, 0.0, 0.0], [0.0, distance, 0.0]]], dtype=torch.float64, requires_grad=True)
    return replicas(torch.tensor(numbers), positions, 5.0)


def test_it_is_the_universal_potential_where_nothing_is_switched_off(zbl: ZblRepulsion) -> None:
    d = 0.02
    x = d * (6**0.23 + 8**0.23) / (0.8854 * BOHR)
    weights, decays = (0.1818, 0.5099, 0.2802, 0.02817), (3.2, 0.9423, 0.4028, 0.2016)
    screening = sum(c * math.exp(-a * x) for c, a in zip(weights, decays, strict=True)) / sum(weights)
    expected = HARTREE * BOHR * 6 * 8 / d * screening
    assert float(zbl(pair(d)).sum().detach()) == pytest.approx(expected, rel=1e-4)


def test_it_repels_and_ends(zbl: ZblRepulsion) -> None:
    energies = [float(zbl(pair(d)).sum().detach()) for d in (0.3, 0.6, 0.9, 1.2, REACH, 2.0)]
    assert energies == sorted(energies, reverse=True)
    assert energies[3] > 0
    assert energies[4:] == [0.0, 0.0]


def test_light_atoms_repel_less(zbl: ZblRepulsion) -> None:
    assert float(zbl(pair(0.5, (1, 1))).sum().detach()) < float(zbl(pair(0.5, (8, 8))).sum().detach())


@pytest.mark.parametrize("distance", [0.0, 1e-9, 0.1])
def test_gradients_are_finite_even_for_coincident_atoms(zbl: ZblRepulsion, distance: float) -> None:
    graph = pair(distance)
    (gradient,) = torch.autograd.grad(zbl(graph).sum(), graph.positions)
    assert gradient.isfinite().all()


def test_every_constant_is_trained(zbl: ZblRepulsion) -> None:
    zbl(pair(0.8)).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().min() > 0 for weight in zbl.parameters())
