import pytest
import torch

from pesx.so3krates.cutoff import CUTOFF_FUNCTIONS, smooth_switch
from pesx.typing import Tensor

CUTOFF = 5.0


def derivatives(function, at: float, order: int) -> list[float]:
    distance = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    value, out = function(distance), []
    for _ in range(order + 1):
        out.append(float(value.detach()))
        (value,) = torch.autograd.grad(value.sum(), distance, create_graph=True)
    return out


@pytest.mark.parametrize("name", CUTOFF_FUNCTIONS)
def test_it_falls_from_one_to_zero_and_stays(name: str) -> None:
    distance = torch.linspace(0.0, 6.0, 601, dtype=torch.float64)
    value = CUTOFF_FUNCTIONS[name](distance, CUTOFF)
    assert value[0] == 1.0
    assert (value[distance >= CUTOFF].abs() < 1e-30).all()
    assert (value.diff() <= 0).all()


@pytest.mark.parametrize(("name", "order"), [("cosine", 1), ("polynomial", 2), ("exponential", 2)])
def test_so_many_derivatives_vanish_at_the_cutoff(name: str, order: int) -> None:
    values = derivatives(lambda d: CUTOFF_FUNCTIONS[name](d, CUTOFF), CUTOFF - 1e-9, order)
    assert all(abs(value) < 1e-7 for value in values)


def test_the_second_derivative_of_the_cosine_jumps() -> None:
    values = derivatives(lambda d: CUTOFF_FUNCTIONS["cosine"](d, CUTOFF), CUTOFF - 1e-9, 2)
    assert values[2] == pytest.approx((torch.pi / CUTOFF) ** 2 / 2)


def test_known_values_halfway() -> None:
    half = torch.tensor([CUTOFF / 2], dtype=torch.float64)
    expected = {"polynomial": 0.5, "cosine": 0.5, "exponential": float(torch.exp(torch.tensor(-1.0 / 3.0)))}
    for name, value in expected.items():
        assert float(CUTOFF_FUNCTIONS[name](half, CUTOFF)) == pytest.approx(value)


def quotient(distance: Tensor) -> Tensor:
    """The definition of the switch from 1 to 3, which is 0 / 0 at both ends."""
    c = (distance - 1.0) / 2.0
    return torch.exp(-1.0 / (1.0 - c)) / (torch.exp(-1.0 / (1.0 - c)) + torch.exp(-1.0 / c))


def test_the_switch_is_the_quotient_that_it_replaces() -> None:
    distance = torch.linspace(1.1, 2.9, 37, dtype=torch.float64)
    torch.testing.assert_close(smooth_switch(distance, 1.0, 3.0), quotient(distance))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_switch_has_three_finite_derivatives_everywhere(dtype: torch.dtype) -> None:
    near = torch.tensor([0.0, 1e-30, 1e-12, 1e-7, 1e-3], dtype=dtype)
    distance = torch.cat([1.0 + near, 1.0 - near, 3.0 + near, 3.0 - near, 2.0 + near]).requires_grad_()
    value = smooth_switch(distance, 1.0, 3.0)
    assert (value[:10] == 1.0).all()
    assert (value[10:20] == 0.0).all()
    for _ in range(3):
        (value,) = torch.autograd.grad(value.sum(), distance, create_graph=True)
        assert value.isfinite().all()
