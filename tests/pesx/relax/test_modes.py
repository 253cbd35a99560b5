import math

import pytest
import torch

from pesx.errors import InputError
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.modes import hessian, mass_weighted_eigenvalues, modes
from pesx.relax.quench import Convergence, quench

LJ = LennardJones()


@pytest.fixture(scope="module")
def minima():
    generator = torch.Generator().manual_seed(6)
    starts = torch.randn(8, 7, 3, dtype=torch.float64, generator=generator)
    found = quench(Lbfgs(stiffness=500.0), LJ, starts, convergence=Convergence(fmax=1e-8))
    return found.positions


def test_differences_of_forces_give_the_exact_hessian(minima):
    exact = hessian(LJ, minima)
    by_differences = hessian(lambda positions: LJ(positions), minima, step=2e-4, chunk=50)
    torch.testing.assert_close(by_differences, exact, rtol=0, atol=1e-5 * exact.abs().max().item())


def test_minima_have_no_negative_mode_and_the_right_product(minima):
    found = modes(LJ, minima)
    assert (found.n_negative == 0).all()
    values = torch.linalg.eigvalsh(LJ.hessian(minima))
    torch.testing.assert_close(found.lowest, values[:, 6])
    torch.testing.assert_close(found.log_product, values[:, 6:].log().sum(-1))


def test_equal_masses_divide_every_eigenvalue(minima):
    light, heavy = modes(LJ, minima), modes(LJ, minima, masses=torch.full((7,), 4.0))
    torch.testing.assert_close(light.log_product - heavy.log_product, torch.full((8,), 15 * math.log(4.0)).double())
    torch.testing.assert_close(light.lowest, heavy.lowest)


def test_unequal_masses_agree_with_the_reduced_mass_of_a_dimer():
    dimer = torch.tensor([[[0.3, 0.0, 0.0], [0.3, 2 ** (1 / 6), 0.0]]], dtype=torch.float64)
    found = modes(LJ, dimer, masses=torch.tensor([1.0, 3.0]))
    stiffness = 72.0 * 2 ** (-1 / 3)
    assert found.lowest.item() == pytest.approx(2.0 * stiffness)
    assert found.log_product.item() == pytest.approx(math.log(stiffness / 0.75))
    assert found.direction.abs().flatten().tolist() == pytest.approx([0, 0.5**0.5, 0, 0, 0.5**0.5, 0], abs=1e-9)


def test_a_stretched_chain_bends_in_two_ways_and_turns_about_two_axes():
    chain = torch.tensor([[[-1.12, 0.0, 0.0], [0.0, 0.0, 0.0], [1.12, 0.0, 0.0]]], dtype=torch.float64)
    turn = torch.linalg.qr(torch.tensor([[0.9, 0.2, 0.1], [0.4, -0.7, 0.3], [0.5, 0.6, 0.8]], dtype=torch.float64))[0]
    found = modes(LJ, chain @ turn)
    assert found.n_negative.item() == 2
    # Two stretches are left of nine coordinates: three shifts, two turns, two bends.
    values = torch.linalg.eigvalsh(LJ.hessian(chain))[0]
    assert found.log_product.item() == pytest.approx(values[-2:].log().sum().item())


def test_an_atom_has_no_mode():
    found = modes(LJ, torch.zeros(2, 1, 3, dtype=torch.float64))
    assert torch.isinf(found.lowest).all()
    assert found.n_negative.tolist() == [0, 0]


def test_a_row_that_is_not_finite_is_marked_and_alone(minima):
    spoilt = minima.clone()
    spoilt[3] = torch.nan
    found, clean = modes(LJ, spoilt), modes(LJ, minima)
    assert found.n_negative[3] == -1
    assert torch.isnan(found.lowest[3])
    others = torch.arange(8) != 3
    torch.testing.assert_close(found.log_product[others], clean.log_product[others])


def test_a_choice_of_coordinates_needs_an_external_field(minima):
    with pytest.raises(InputError, match="is_free"):
        modes(LJ, minima, coordinates=torch.tensor([0]))


def test_a_row_has_the_same_bits_alone_and_in_a_batch(minima):
    whole = modes(LJ, minima)
    for row in range(8):
        alone = modes(LJ, minima[row : row + 1])
        assert alone.lowest[0] == whole.lowest[row]
        assert alone.log_product[0] == whole.log_product[row]
    assert modes(LJ, minima[:0]).lowest.shape == (0,)


def test_mass_weighted_eigenvalues_are_those_of_the_product(minima):
    masses = torch.linspace(1.0, 4.0, 7)
    found = mass_weighted_eigenvalues(LJ, minima, masses=masses)
    assert [len(row) for row in found] == [15] * 8
    product = torch.stack([row.log().sum() for row in found])
    torch.testing.assert_close(product, modes(LJ, minima, masses=masses).log_product)
    alone = mass_weighted_eigenvalues(LJ, minima[2:3], masses=masses)
    assert torch.equal(alone[0], found[2])


def test_mass_weighted_eigenvalues_of_a_line_and_of_what_is_no_number():
    line = torch.tensor([[[-1.12, 0.0, 0.0], [0.0, 0.0, 0.0], [1.12, 0.0, 0.0]]], dtype=torch.float64)
    (found,) = mass_weighted_eigenvalues(LJ, line)
    assert (len(found), int((found < 0).sum())) == (4, 2)
    (nothing,) = mass_weighted_eigenvalues(LJ, torch.zeros(1, 3, 3, dtype=torch.float64))
    assert nothing.isnan().all()
