import pytest
import torch

from pesx.dynamics.rigid import Rigid, degrees_of_freedom
from pesx.typing import Positions, Tensor

MASSES = torch.tensor([16.0, 1.0, 1.0, 12.0, 14.0], dtype=torch.float64)


@pytest.fixture
def positions() -> Positions:
    return torch.randn(7, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 3.0


@pytest.fixture
def velocities() -> Tensor:
    return torch.randn(7, 5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_no_momentum_and_no_angular_momentum_is_left(positions: Positions, velocities: Tensor) -> None:
    left = Rigid.of(positions, MASSES).removed_from(velocities)
    momenta = MASSES[:, None] * left
    assert momenta.sum(dim=1).abs().max() < 1e-12
    # The ridge under the inertia tensor leaves a part in 1e9, which the next removal takes.
    before = torch.linalg.cross(positions, MASSES[:, None] * velocities).sum(dim=1).abs().max()
    assert torch.linalg.cross(positions, momenta).sum(dim=1).abs().max() < 1e-8 * before


def test_internal_motion_is_left_alone(positions: Positions, velocities: Tensor) -> None:
    rigid = Rigid.of(positions, MASSES)
    once = rigid.removed_from(velocities)
    assert torch.allclose(rigid.removed_from(once), once, rtol=0, atol=1e-8)


def test_rigid_motion_is_removed_whole(positions: Positions) -> None:
    omega, drift = torch.tensor([[0.3, -0.2, 0.5]], dtype=torch.float64), 1.7
    moving = torch.linalg.cross(omega.expand_as(positions), positions) + drift
    assert Rigid.of(positions, MASSES).removed_from(moving).abs().max() < 1e-7


def test_two_atoms_lose_all_but_the_motion_along_their_bond(velocities: Tensor) -> None:
    positions = torch.tensor([[[0.0, 0, 0], [0.3, 1.1, -0.4]]], dtype=torch.float64)
    left = Rigid.of(positions, MASSES[:2]).removed_from(velocities[:1, :2])
    axis = positions[0, 1] / positions[0, 1].norm()
    along = (left * axis).sum(dim=2, keepdim=True) * axis
    assert torch.allclose(left, along, atol=1e-8)
    assert along.abs().max() > 0.01


def test_centrifugal_forces_are_slopes_of_their_potential(positions: Positions) -> None:
    kT = torch.linspace(0.01, 0.07, 7, dtype=torch.float64)  # noqa: N806
    moved = positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(Rigid.of(moved, MASSES).mean_force_potential(kT).sum(), moved)
    forces = Rigid.of(positions, MASSES).centrifugal(kT)
    assert torch.allclose(forces, -gradient, rtol=1e-6, atol=1e-10)
    assert forces.sum(dim=1).abs().max() < 1e-12
    assert torch.linalg.cross(positions, forces).sum(dim=1).abs().max() < 1e-9


def test_centrifugal_forces_are_those_of_thermal_rotation_on_average(positions: Positions) -> None:
    rigid = Rigid.of(positions[:1], MASSES)
    factor = torch.linalg.cholesky(rigid.inverse[0])
    omega = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) @ factor.T
    arm = rigid.arms[0, 3].expand_as(omega)
    outward = -MASSES[3] * torch.linalg.cross(omega, torch.linalg.cross(omega, arm))
    expected = rigid.centrifugal(torch.ones(1, dtype=torch.float64))[0, 3]
    error = outward.std(dim=0) / len(omega) ** 0.5
    assert ((outward.mean(dim=0) - expected).abs() < 4.5 * error).all()


def test_shares_add_up_to_the_degrees_of_freedom(positions: Positions) -> None:
    assert torch.allclose(Rigid.of(positions, MASSES).shares().sum(dim=1), torch.tensor(9.0).double(), atol=1e-6)


@pytest.mark.parametrize(("n_atoms", "n"), [(1, 0), (2, 1), (3, 3), (42, 120)])
def test_degrees_of_freedom(n_atoms: int, n: int) -> None:
    assert degrees_of_freedom(n_atoms, is_free=True) == n
    assert degrees_of_freedom(n_atoms, is_free=False) == 3 * n_atoms


def test_a_row_has_the_same_bits_alone(positions: Positions, velocities: Tensor) -> None:
    whole, alone = Rigid.of(positions, MASSES), Rigid.of(positions[3:4], MASSES)
    assert torch.equal(whole.removed_from(velocities)[3:4], alone.removed_from(velocities[3:4]))
    ones = torch.ones(7, dtype=torch.float64)
    assert torch.equal(whole.centrifugal(ones)[3:4], alone.centrifugal(ones[:1]))
