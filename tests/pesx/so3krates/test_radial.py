import torch

from pesx.so3krates.radial import ExponentialBasis, smooth_cutoff


def derivatives(distance):
    out = []
    value = smooth_cutoff(distance, 5.0)
    for _ in range(3):
        out.append(value.detach())
        (value,) = torch.autograd.grad(value.sum(), distance, create_graph=True)
    return out


def test_cutoff_function_ends_with_two_vanishing_derivatives():
    at_cutoff = derivatives(torch.tensor([5.0 - 1e-9], dtype=torch.float64, requires_grad=True))
    assert all(abs(float(value)) < 1e-7 for value in at_cutoff)


def test_cutoff_function_falls_from_one_to_zero_and_stays():
    distance = torch.linspace(0.0, 6.0, 601, dtype=torch.float64)
    value = smooth_cutoff(distance, 5.0)
    assert value[0] == 1.0
    assert (value[distance >= 5.0] == 0.0).all()
    assert (value.diff() <= 0).all()


def test_basis_is_finite_and_within_bounds_everywhere():
    value = ExponentialBasis(32, 5.0)(torch.tensor([0.0, 1e-12, 1.0, 5.0, 1e6]))
    assert value.isfinite().all()
    assert ((value >= 0) & (value <= 1)).all()


def test_every_basis_function_peaks_within_the_cutoff():
    distance = torch.linspace(0.0, 5.0, 20001)
    peak = ExponentialBasis(16, 5.0)(distance).amax(dim=0)
    torch.testing.assert_close(peak, torch.ones(16), rtol=0, atol=1e-3)
