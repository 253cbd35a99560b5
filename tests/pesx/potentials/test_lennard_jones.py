import pytest
import torch

from pesx.errors import ConfigError
from pesx.potentials.lennard_jones import LennardJones


def structures(n_atoms, n_replicas, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_replicas, n_atoms, 3, dtype=torch.float64, generator=generator) * n_atoms**0.5


def energy_by_pairs(positions):
    i, j = torch.triu_indices(positions.shape[1], positions.shape[1], 1)
    r2 = (positions[:, i] - positions[:, j]).square().sum(-1)
    return (4.0 * (r2**-6 - r2**-3)).sum(-1)


def icosahedron(distance):
    phi = (1.0 + 5.0**0.5) / 2.0
    corners = [(0.0, a, b * phi) for a in (1, -1) for b in (1, -1)]
    corners += [(y, z, x) for x, y, z in corners] + [(z, x, y) for x, y, z in corners]
    points = torch.tensor([(0.0, 0.0, 0.0), *corners], dtype=torch.float64)
    return distance * points / (1.0 + phi**2) ** 0.5


def test_dimer_has_the_textbook_well():
    r = torch.tensor([1.0, 2 ** (1 / 6), 100.0], dtype=torch.float64)
    positions = torch.zeros(3, 2, 3, dtype=torch.float64)
    positions[:, 1, 0] = r
    now = LennardJones()(positions)
    torch.testing.assert_close(
        now.energy, torch.tensor([0.0, -1.0, -4e-12], dtype=torch.float64), atol=1e-14, rtol=1e-6
    )
    torch.testing.assert_close(now.forces[:2, 1, 0], torch.tensor([24.0, 0.0], dtype=torch.float64), atol=1e-12, rtol=0)


def test_lowest_icosahedron_of_13_atoms_has_the_literature_energy():
    distances = torch.linspace(1.07, 1.10, 3001, dtype=torch.float64)
    energy = LennardJones()(torch.stack([icosahedron(d) for d in distances])).energy.min()
    assert energy.item() == pytest.approx(-44.326801, abs=1e-6)


@pytest.mark.parametrize("n_atoms", [2, 3, 4, 5, 6, 13, 38])
def test_energy_and_forces_agree_with_a_sum_over_pairs_and_autograd(n_atoms):
    positions = structures(n_atoms, 7).requires_grad_()
    energy = energy_by_pairs(positions)
    (gradient,) = torch.autograd.grad(energy.sum(), positions)
    now = LennardJones()(positions.detach())
    torch.testing.assert_close(now.energy, energy.detach(), rtol=1e-12, atol=1e-12)
    scale = gradient.abs().amax((1, 2), keepdim=True)
    torch.testing.assert_close(now.forces / scale, -gradient / scale, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_atoms", [2, 5, 6])
def test_hessian_agrees_with_autograd(n_atoms):
    positions = structures(n_atoms, 2)
    hessian = LennardJones().hessian(positions)
    for row, expected in zip(positions, hessian, strict=True):
        exact = torch.autograd.functional.hessian(lambda x: energy_by_pairs(x[None])[0], row)
        torch.testing.assert_close(
            exact.view(3 * n_atoms, 3 * n_atoms) / exact.abs().max(), expected / exact.abs().max()
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_atoms", [5, 13, 14])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(n_atoms, dtype):
    positions = structures(n_atoms, 67).to(dtype)
    whole = LennardJones()(positions)
    assert whole.energy.dtype == whole.forces.dtype == dtype
    small_blocks = LennardJones(block_pairs=1)(positions)
    assert torch.equal(small_blocks.energy, whole.energy)
    assert torch.equal(small_blocks.forces, whole.forces)
    for size in (1, 2, 3, 5, 8, 17, 33):
        for first in (0, 67 - size):
            part = LennardJones()(positions[first : first + size])
            assert torch.equal(part.energy, whole.energy[first : first + size])
            assert torch.equal(part.forces, whole.forces[first : first + size])


def test_coincident_atoms_spoil_their_own_row_only():
    positions = structures(13, 9)
    clean = LennardJones()(positions)
    positions[4, 7] = positions[4, 2]
    now = LennardJones()(positions)
    assert not torch.isfinite(now.forces[4]).all()
    others = [row for row in range(9) if row != 4]
    assert torch.equal(now.energy[others], clean.energy[others])
    assert torch.equal(now.forces[others], clean.forces[others])


def test_one_atom_feels_nothing():
    now = LennardJones()(torch.ones(3, 1, 3))
    assert torch.equal(now.energy, torch.zeros(3))
    assert torch.equal(now.forces, torch.zeros(3, 1, 3))


def test_a_block_without_pairs_is_refused():
    with pytest.raises(ConfigError, match="block_pairs"):
        LennardJones(block_pairs=0)
