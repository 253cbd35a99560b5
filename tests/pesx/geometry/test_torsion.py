from math import pi

import pytest
import torch

from pesx.geometry.torsion import rotate_about_bond, torsion_angles, triple_products

QUAD = torch.tensor([[0, 1, 2, 3]])
BOND, MOVING = torch.tensor([1, 2]), torch.tensor([False, False, True, True])


def chain(angle):
    """Four atoms looked at along the bond 1-2, the last turned clockwise from the first by the angle."""
    turned = torch.tensor(angle, dtype=torch.float64)
    last = torch.stack([torch.cos(turned), -torch.sin(turned), torch.tensor(-1.5, dtype=torch.float64)])
    first = torch.tensor([[1.0, 0, 0.5], [0, 0, 0], [0, 0, -1]], dtype=torch.float64)
    return torch.cat([first, last[None]])[None]


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.5, 3.0, -0.3, -2.9])
def test_clockwise_is_positive(angle):
    assert torsion_angles(chain(angle), QUAD).item() == pytest.approx(angle, abs=1e-12)


def test_angles_change_sign_in_the_mirror_and_not_under_shifts():
    positions = torch.randn(5, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    angles = torsion_angles(positions, QUAD)
    torch.testing.assert_close(torsion_angles(-positions, QUAD), -angles)
    torch.testing.assert_close(torsion_angles(positions + 3.0, QUAD), angles)
    torch.testing.assert_close(torsion_angles(positions, QUAD.flip(1)), angles)


def test_rotation_adds_to_the_torsion_and_keeps_lengths():
    positions = torch.randn(5, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    angle = torch.linspace(-3, 3, 5, dtype=torch.float64)
    turned = rotate_about_bond(positions, BOND, MOVING, angle)
    change = torsion_angles(turned, QUAD)[:, 0] - torsion_angles(positions, QUAD)[:, 0] - angle
    torch.testing.assert_close(torch.cos(change), torch.ones(5, dtype=torch.float64))
    assert torch.equal(turned[:, :2], positions[:, :2])
    torch.testing.assert_close(
        torch.cdist(turned[:, 1:], turned[:, 1:]), torch.cdist(positions[:, 1:], positions[:, 1:])
    )
    back = rotate_about_bond(turned, BOND, MOVING, 2 * pi - angle)
    torch.testing.assert_close(back, positions)


def test_handedness_of_an_ideal_tetrahedron():
    arms = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1]], dtype=torch.float64)[None]
    ideal = 4 / 3**1.5
    assert triple_products(arms, QUAD).item() == pytest.approx(ideal)
    assert triple_products(-2 * arms, QUAD).item() == pytest.approx(-ideal)
    assert triple_products(arms, QUAD[:, [0, 2, 1, 3]]).item() == pytest.approx(-ideal)
    arms[..., 2] = 0
    assert triple_products(arms, QUAD).item() == pytest.approx(0)
