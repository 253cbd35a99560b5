import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.registry import make_potential
from pesx.relax.davidson import SMALL, HasProducts, lowest_modes
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.modes import modes
from pesx.relax.preconditioned import PreconditionedLbfgs
from pesx.relax.quench import Convergence, quench

DIPEPTIDE = "CC(=O)N[C@@H](C)C(=O)NC"


class Springs:
    """Given Hessians at given places as a potential, which counts the products it gives."""

    def __init__(self, second, at):
        self.second, self.at, self.n_products = second, at, 0

    def __call__(self, positions):
        """No search for modes needs energies or forces."""
        raise AssertionError(positions.shape)

    def hessian(self, positions):
        apart = (self.at.nan_to_num(9.0) - positions.nan_to_num(9.0)[:, None]).abs().sum(dim=(2, 3))
        assert (apart.amin(dim=1) < 1e-3).all()
        return self.second[apart.argmin(dim=1)]

    def hessian_products(self, positions):
        second = self.hessian(positions)

        def multiply(directions):
            self.n_products += int(directions.flatten(1).any(dim=1).sum())
            return (second * directions.flatten(1)[:, None]).sum(dim=2).view_as(directions)

        return multiply


@pytest.fixture(scope="module")
def molecule():
    return read_molecule(DIPEPTIDE)


@pytest.fixture(scope="module")
def guess(molecule):
    return ModelHessian(molecule)


def springs(molecule, guess, lowest):
    """Structures with Hessians that differ from the guess in all directions and have these lowest eigenvalues."""
    generator = torch.Generator().manual_seed(7)
    n = len(lowest)
    noise = torch.randn(n, molecule.n_atoms, 3, dtype=torch.float64, generator=generator)
    at = molecule.positions.double() + 0.05 * noise
    crooked = torch.randn(n, 3 * molecule.n_atoms, 12, dtype=torch.float64, generator=generator)
    second = 0.7 * guess(at) + 0.2 * crooked @ crooked.mT
    found = modes(Springs(second, at), at, tolerance=0.0)
    lowered = (found.lowest - torch.tensor(lowest)).double()
    way = found.direction.flatten(1)
    second = second - lowered[:, None, None] * way[:, :, None] * way[:, None]
    return Springs(second, at)


def test_it_finds_what_the_whole_hessian_says(molecule, guess):
    potential = springs(molecule, guess, [0.05, 0.003, -0.002, -0.5])
    exact = modes(potential, potential.at, tolerance=0.0)
    found = lowest_modes(potential, potential.at, guess)
    torch.testing.assert_close(found.lowest, exact.lowest, rtol=1e-3, atol=2e-5)
    assert found.n_negative.tolist() == [0, 0, 1, 1]
    overlap = (found.direction * exact.direction).flatten(1).sum(dim=1).abs()
    torch.testing.assert_close(overlap, torch.ones(4, dtype=torch.float64), rtol=0, atol=2e-2)
    assert found.log_product.isnan().all()


def test_it_takes_far_fewer_products_than_there_are_coordinates_and_says_how_many(molecule, guess):
    potential = springs(molecule, guess, [0.05, 0.003])
    found = lowest_modes(potential, potential.at, guess)
    assert potential.n_products < 3 * molecule.n_atoms
    assert found.n_evaluations.sum() == 2 * potential.n_products


@pytest.mark.parametrize("lowest", [1e-4, -1e-4])
def test_what_is_close_to_zero_is_left_to_the_whole_hessian(molecule, guess, lowest):
    potential = springs(molecule, guess, [lowest, 0.05])
    found, exact = lowest_modes(potential, potential.at, guess), modes(potential, potential.at, tolerance=0.0)
    assert found.lowest[0] == exact.lowest[0]
    assert found.n_negative.tolist() == [int(lowest < 0), 0]
    assert found.log_product.isfinite().tolist() == [True, False]


def test_what_does_not_settle_is_left_to_the_whole_hessian(molecule, guess):
    potential = springs(molecule, guess, [0.05, 0.003])
    found, exact = lowest_modes(potential, potential.at, guess, most_products=8), modes(potential, potential.at)
    assert torch.equal(found.lowest, exact.lowest)


def test_a_negative_mode_among_the_stiff_ones_of_the_guess_is_found(molecule, guess):
    potential = springs(molecule, guess, [0.05])
    curvatures, ways = torch.linalg.eigh(potential.second[0])
    stiff = ways[:, -3]
    potential.second -= 1.2 * curvatures[-3] * stiff[:, None] * stiff
    assert modes(potential, potential.at, tolerance=0.0).n_negative.tolist() == [1]
    assert lowest_modes(potential, potential.at, guess).n_negative.tolist() == [1]


def test_a_row_has_the_same_bits_alone_and_beside_one_that_is_not_finite(molecule, guess):
    potential = springs(molecule, guess, [0.05, 0.003, -0.2])
    whole = lowest_modes(potential, potential.at, guess)
    spoilt = potential.at.clone()
    spoilt[1] = torch.nan
    second = potential.second.clone()
    second[1] = torch.nan
    beside = lowest_modes(Springs(second, spoilt), spoilt, guess)
    assert torch.equal(beside.lowest[[0, 2]], whole.lowest[[0, 2]])
    assert beside.n_negative.tolist() == [0, -1, 1]
    for row in range(3):
        alone = lowest_modes(potential, potential.at[row : row + 1], guess)
        assert alone.lowest[0] == whole.lowest[row]


def test_on_the_model_in_the_package_minima_and_other_points_get_the_exact_verdict(molecule, guess):
    potential, _ = make_potential("so3krates", molecule)
    assert isinstance(potential, HasProducts)
    starts = molecule.positions + 0.2 * torch.randn(
        4, molecule.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    relaxer = PreconditionedLbfgs(guess, max_step=0.1, max_rise=1e-7)
    minima = quench(relaxer, potential, starts, convergence=Convergence(fmax=1e-4)).positions
    places = torch.cat([minima, starts])
    exact, found = modes(potential, places, tolerance=0.0), lowest_modes(potential, places, guess)
    assert torch.equal(found.n_negative > 0, exact.n_negative > 0)
    torch.testing.assert_close(found.lowest[:4], exact.lowest[:4], rtol=1e-2, atol=2e-5)


def test_small_molecules_get_the_whole_hessian():
    water = read_molecule("O")
    assert water.n_atoms <= SMALL
    potential, _ = make_potential("so3krates", water)
    found = lowest_modes(potential, water.positions[None], ModelHessian(water))
    assert found.log_product.isfinite().all()
