import math

import pytest
import torch

from pesx.so3krates.radial import BERNSTEIN_DECAY, RADIAL_BASES, BernsteinBasis, BesselBasis, PhysnetBasis


@pytest.mark.parametrize("name", RADIAL_BASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_slopes_are_finite_everywhere(name: str, dtype: torch.dtype) -> None:
    distance = torch.tensor([1e-3, 0.1, 1.0, 5.0, 50.0], dtype=dtype, requires_grad=True)
    value = RADIAL_BASES[name](32, 5.0).to(dtype)(distance)
    assert value.shape == (5, 32)
    assert value.isfinite().all()
    (slope,) = torch.autograd.grad(value.sum(), distance, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), distance)
    assert slope.isfinite().all()
    assert second.isfinite().all()


@pytest.mark.parametrize("name", ["physnet", "bernstein", "gaussian"])
def test_values_lie_between_zero_and_one(name: str) -> None:
    value = RADIAL_BASES[name](32, 5.0)(torch.linspace(1e-3, 8.0, 500))
    assert ((value >= 0) & (value <= 1)).all()


@pytest.mark.parametrize("name", ["physnet", "gaussian"])
def test_every_function_peaks_within_the_cutoff(name: str) -> None:
    peak = RADIAL_BASES[name](16, 5.0)(torch.linspace(0.0, 5.0, 20001)).amax(dim=0)
    torch.testing.assert_close(peak, torch.ones(16), rtol=0, atol=1e-3)


def test_physnet_is_finite_at_zero_too() -> None:
    assert PhysnetBasis(32, 5.0)(torch.tensor([0.0, 1e-12, 1e6])).isfinite().all()


def test_bernstein_polynomials_add_up_to_one_and_are_binomial() -> None:
    distance = torch.linspace(0.01, 8.0, 50, dtype=torch.float64)
    value = BernsteinBasis(8, 5.0).double()(distance)
    torch.testing.assert_close(value.sum(dim=1), torch.ones(50, dtype=torch.float64), rtol=0, atol=1e-7)
    s = torch.exp(-BERNSTEIN_DECAY * distance)
    expected = math.comb(7, 3) * s**3 * (1 - s) ** 4
    torch.testing.assert_close(value[:, 3], expected, rtol=1e-6, atol=0)


def test_bessel_functions_vanish_at_the_cutoff_and_are_orthonormal() -> None:
    basis = BesselBasis(6, 5.0).double()
    assert (basis(torch.tensor([5.0], dtype=torch.float64)).abs() < 1e-6).all()
    grid = torch.linspace(1e-6, 5.0, 20001, dtype=torch.float64)
    value = basis(grid) * grid[:, None]
    overlap = torch.trapezoid(value[:, :, None] * value[:, None, :], grid, dim=0)
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-5)


def test_only_gaussians_are_trained() -> None:
    trained = {name for name, basis in RADIAL_BASES.items() if list(basis(8, 5.0).parameters())}
    assert trained == {"gaussian"}
