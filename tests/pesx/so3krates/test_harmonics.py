import pytest
import torch
from e3nn import o3

from pesx.errors import ConfigError
from pesx.so3krates.harmonics import spherical_harmonics

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def directions(n):
    return torch.nn.functional.normalize(torch.randn(n, 3, generator=torch.manual_seed(0), dtype=torch.float64), dim=1)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_every_component_is_that_of_e3nn(degree):
    unit = directions(50)
    expected = o3.spherical_harmonics(degree, unit, False, normalization="integral")
    torch.testing.assert_close(spherical_harmonics([degree], unit), expected, rtol=0, atol=1e-13)


def test_blocks_stand_side_by_side():
    unit = directions(5)
    both = spherical_harmonics((1, 3), unit)
    torch.testing.assert_close(both[:, 3:], spherical_harmonics((3,), unit))


def test_opposite_directions_differ_by_parity():
    unit = directions(20)
    sign = torch.tensor([-1.0] * 3 + [1.0] * 5 + [-1.0] * 7 + [1.0] * 9, dtype=torch.float64)
    degrees = (1, 2, 3, 4)
    torch.testing.assert_close(spherical_harmonics(degrees, -unit), sign * spherical_harmonics(degrees, unit))


def test_unknown_degree_is_refused():
    with pytest.raises(ConfigError, match="5"):
        spherical_harmonics((1, 5), directions(1))
