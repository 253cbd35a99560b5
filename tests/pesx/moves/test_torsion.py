from math import pi

import pytest
import torch

from pesx.errors import ConfigError, InputError
from pesx.geometry.torsion import torsion_angles
from pesx.moves.torsion import Twist, turn
from pesx.streams import Streams
from pesx.testing import check_move
from pesx.typing import Tensor

QUADS = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]])
BONDS = QUADS[:, 1:3]
MOVING = torch.arange(6) > BONDS[:, 1:]


@pytest.fixture
def chain() -> Tensor:
    zigzag = torch.stack([torch.arange(6.0), torch.arange(6.0) % 2, torch.zeros(6)], dim=1).double()
    return zigzag + 0.2 * torch.randn(40, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def angle_between(a: Tensor, b: Tensor) -> Tensor:
    return torch.remainder(a - b + pi, 2 * pi) - pi


def turned(twist: Twist, chain: Tensor, scale: float = 1.0) -> Tensor:
    n = len(chain)
    after = twist(chain, torch.full((n,), scale, dtype=torch.float64), Streams(1, range(n), [0] * n))
    return angle_between(torsion_angles(after, QUADS), torsion_angles(chain, QUADS)).abs() > 1e-9


def test_it_keeps_the_contract_of_a_move(chain: Tensor) -> None:
    check_move(Twist(BONDS, MOVING), chain).raise_if_wrong()


def test_each_torsion_changes_by_its_own_angle_and_nothing_else_does(chain: Tensor) -> None:
    angles = 2 * pi * (torch.rand(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5)
    after = turn(chain, BONDS, MOVING, angles=angles)
    change = angle_between(torsion_angles(after, QUADS), torsion_angles(chain, QUADS))
    assert torch.allclose(angle_between(change, angles), torch.zeros_like(angles), atol=1e-9)
    for apart in (1, 2):
        # Bond lengths, and by distances of next neighbours bond angles.
        lengths = [(x[:, apart:] - x[:, :-apart]).norm(dim=-1) for x in (chain, after)]
        assert torch.allclose(*lengths, atol=1e-10)
    assert torch.equal(after[:, :3], chain[:, :3])


def test_at_least_one_bond_is_turned_and_more_at_a_larger_scale(chain: Tensor) -> None:
    few, many = (turned(Twist(BONDS, MOVING, n_bonds=1e-9), chain, scale) for scale in (1.0, 1e12))
    assert (few.sum(dim=1) == 1).all()
    assert few.any(dim=0).all()
    assert many.all()


@pytest.mark.parametrize("wrong", [{"n_bonds": 0.0}, {"angle": 0.0}, {"angle": 4.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Twist"):
        Twist(BONDS, MOVING, **wrong)


def test_a_molecule_without_rotors_is_refused() -> None:
    with pytest.raises(InputError, match="Displace"):
        Twist(BONDS[:0], MOVING[:0])
