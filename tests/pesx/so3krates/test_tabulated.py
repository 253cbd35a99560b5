import numpy as np
import pytest
import torch

from pesx.errors import ConfigError
from pesx.so3krates.radial import RADIAL_BASES
from pesx.so3krates.tabulated import NEAREST, TOLERANCE, evaluate, tabulate

END = 5.0


@pytest.fixture(scope="module", params=sorted(RADIAL_BASES))
def basis(request):
    return RADIAL_BASES[request.param](16, END).double()


def test_value_and_slope_are_within_the_tolerance(basis):
    table = tabulate(basis, END)
    distances = np.random.default_rng(0).uniform(NEAREST, END, 2000)
    for ours, exact in zip(table(distances), evaluate(basis, distances), strict=True):
        np.testing.assert_array_less(np.abs(ours - exact).max(0), TOLERANCE * np.abs(exact).max(0) + 1e-15)


def test_reported_errors_are_those_that_are_found(basis):
    table = tabulate(basis, END, tolerance=1e-4)
    distances = np.random.default_rng(1).uniform(NEAREST, END, 5000)
    value, exact = table(distances)[0], evaluate(basis, distances)[0]
    found = (np.abs(value - exact).max(0) / np.abs(exact).max(0)).max()
    assert 0.2 * table.value_error < found < 1.5 * table.value_error


def test_slope_is_the_derivative_of_the_spline():
    table = tabulate(lambda d: torch.sin(3 * d)[:, None], END, tolerance=1e-3)
    distances = np.linspace(0.01, END - 0.01, 301)
    step = 1e-5
    numerical = (table(distances + step)[0] - table(distances - step)[0]) / (2 * step)
    np.testing.assert_allclose(table(distances)[1], numerical, atol=1e-9)


def test_polynomials_of_degree_five_are_exact():
    table = tabulate(lambda d: torch.stack([d**5 - 3 * d**2, 1 + d**4], dim=1), END)
    distances = np.linspace(0.0, END, 97)
    np.testing.assert_allclose(table(distances)[0][:, 0], distances**5 - 3 * distances**2, atol=1e-9)
    assert table.n_cells == 128


def test_a_function_that_no_grid_follows_is_refused():
    with pytest.raises(ConfigError, match="Use the exact model"):
        tabulate(lambda d: (d - 2.5).abs()[:, None], END)
