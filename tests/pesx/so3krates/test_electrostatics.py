import math

import pytest
import torch

from pesx.so3krates.electrostatics import COULOMB, SWITCH_START, coulomb_energy, damped_kernel, truncated_kernel
from pesx.so3krates.graph import replicas
from pesx.so3krates.molecular_pairs import molecular_pairs

SIGMA, CUTOFF = 4.0, 12.0


def test_far_charges_interact_as_points_and_near_ones_are_damped() -> None:
    distance = torch.tensor([1e-3, 40.0], dtype=torch.float64)
    near, far = damped_kernel(distance, SIGMA).tolist()
    assert far == pytest.approx(1 / 40)
    assert near == pytest.approx(2 / math.sqrt(math.pi) / SIGMA, rel=1e-6)


def test_near_the_atom_truncation_is_a_constant() -> None:
    distance = torch.linspace(0.5, SWITCH_START * CUTOFF, 50, dtype=torch.float64)
    shift = damped_kernel(distance, SIGMA) - truncated_kernel(distance, SIGMA, CUTOFF)
    torch.testing.assert_close(shift, shift[:1].expand(50), rtol=0, atol=1e-14)
    assert float(shift[0]) == pytest.approx(float(damped_kernel(torch.tensor([CUTOFF]), SIGMA)), rel=1e-6)


def test_energy_and_force_go_to_zero_at_the_cutoff() -> None:
    distance = torch.tensor([CUTOFF - 1e-7, CUTOFF + 1e-7], dtype=torch.float64, requires_grad=True)
    value = truncated_kernel(distance, SIGMA, CUTOFF)
    (slope,) = torch.autograd.grad(value.sum(), distance)
    assert value.detach().abs().max() < 1e-12
    assert slope.abs().max() < 1e-8
    assert value[1] == 0.0


def test_the_kernel_falls_all_the_way() -> None:
    value = truncated_kernel(torch.linspace(0.1, CUTOFF, 400, dtype=torch.float64), SIGMA, CUTOFF)
    assert (value.diff() <= 0).all()


@pytest.mark.parametrize("cutoff", [None, 30.0])
def test_two_ions_have_the_energy_of_coulomb(cutoff: float | None) -> None:
    positions = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 20.0, 0.0]]], dtype=torch.float64)
    pairs = molecular_pairs(replicas(torch.tensor([1, 1]), positions, 5.0))
    charges = torch.tensor([1.0, -0.5], dtype=torch.float64)
    energy = coulomb_energy(charges, pairs, damping=1.0, cutoff=cutoff)[pairs.is_pair]
    assert abs(COULOMB - 14.399645) < 1e-6
    if cutoff is None:
        assert float(energy) == pytest.approx(-0.5 * COULOMB / 20.0)
    else:
        assert -0.5 * COULOMB / 20.0 < float(energy) < 0.0
