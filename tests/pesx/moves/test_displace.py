import pytest
import torch

from pesx.errors import ConfigError
from pesx.moves.displace import Displace
from pesx.streams import Streams
from pesx.testing import check_move
from pesx.typing import Tensor


def displaced(step: float, scale: float, n: int = 200) -> Tensor:
    positions = torch.zeros(n, 6, 3, dtype=torch.float64)
    return Displace(step)(positions, torch.full((n,), scale, dtype=torch.float64), Streams(0, range(n), [0] * n))


def test_it_keeps_the_contract_of_a_move() -> None:
    check_move(Displace(), torch.randn(5, 4, 3, dtype=torch.float64, generator=torch.manual_seed(0))).raise_if_wrong()


@pytest.mark.parametrize(("step", "scale"), [(0.4, 1.0), (0.4, 0.25), (1.0, 2.0)])
def test_coordinates_are_uniform_in_the_step(step: float, scale: float) -> None:
    shift = displaced(step, scale).flatten() / (step * scale)
    assert float(shift.abs().max()) <= 1
    expected = (torch.arange(len(shift)) + 0.5).double() / len(shift)
    assert torch.allclose(shift.sort().values, 2 * expected - 1, atol=0.05)


def test_a_step_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive"):
        Displace(0.0)
