"""What must hold for every model, whatever its options: symmetries, forces, smoothness, independence of the batch."""

import dataclasses

import pytest
import torch
from ase.build import molecule
from e3nn import o3

from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.attention import Attention, Contraction
from pesx.so3krates.graph import collate, replicas
from pesx.so3krates.layer import Exchange, Layer
from pesx.so3krates.model import So3krates
from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Positions, Tensor

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

SHORT = So3kratesSettings(features=64, n_layers=2, degrees=(1, 2, 3, 4), cutoff=3.0, mean_neighbours=5.0)
LONG = dataclasses.replace(
    SHORT,
    radial_basis="bernstein",
    charge_embedding=True,
    spin_embedding=True,
    layer_norm=True,
    layer_norm_2=True,
    residual_mlp_2=True,
    readout_features=32,
    element_shift=True,
    zbl=True,
    electrostatics=True,
    dispersion=True,
)
MODELS = {
    "short": SHORT,
    "cosine and bessel": dataclasses.replace(SHORT, cutoff_function="cosine", radial_basis="bessel"),
    "exponential and gaussian": dataclasses.replace(SHORT, cutoff_function="exponential", radial_basis="gaussian"),
    "long": LONG,
    "long with a cutoff": dataclasses.replace(LONG, long_range_cutoff=4.0),
}
NUMBERS = torch.tensor(molecule("CH3CH2OH").numbers)
WIGNER = o3.Irreps("1o+2e+3o+4e")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> So3krates:
    return make_model(MODELS[request.param])


def make_model(settings: So3kratesSettings) -> So3krates:
    torch.manual_seed(3)
    model = So3krates(settings).double()
    model.set_reference_energies({1: -13.0, 6: -1030.0, 8: -2040.0})
    return model


def shaken(n: int = 1) -> Positions:
    noise = torch.randn(n, len(NUMBERS), 3, generator=torch.manual_seed(1), dtype=torch.float64)
    return torch.tensor(molecule("CH3CH2OH").positions) + 0.1 * noise


def rotation(sign: float = 1.0) -> Tensor:
    matrix, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.manual_seed(5), dtype=torch.float64))
    return sign * matrix * torch.linalg.det(matrix)


def evaluate(
    model: So3krates, positions: Positions, numbers: Tensor = NUMBERS, charge: int = 1, n_unpaired: int = 1
) -> tuple[Tensor, Tensor]:
    """Energies and forces, of a radical cation where the model knows charges."""
    moved = positions.clone().requires_grad_()
    if not model.settings.charge_embedding:
        charge = n_unpaired = 0
    energy = model(replicas(numbers, moved, model.settings.cutoff, charge=charge, n_unpaired=n_unpaired))
    (gradient,) = torch.autograd.grad(energy.sum(), moved)
    return energy.detach(), -gradient


def test_forces_are_minus_the_gradient(model: So3krates) -> None:
    positions = shaken()
    _, forces = evaluate(model, positions)
    for atom in (0, 4, 8):
        step = torch.zeros_like(positions)
        step[0, atom, 1] = 1e-5
        ahead, behind = evaluate(model, positions + step)[0], evaluate(model, positions - step)[0]
        assert float((behind - ahead) / 2e-5) == pytest.approx(float(forces[0, atom, 1]), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rotation_reflection_and_translation_leave_the_energy_and_turn_forces(model: So3krates, sign: float) -> None:
    positions, turn = shaken(), rotation(sign)
    energy, forces = evaluate(model, positions)
    turned_energy, turned_forces = evaluate(model, positions @ turn.T + 7.0)
    torch.testing.assert_close(turned_energy, energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(turned_forces, forces @ turn.T, rtol=0, atol=1e-9)


def test_order_of_atoms_does_not_matter(model: So3krates) -> None:
    positions, order = shaken(), torch.randperm(len(NUMBERS), generator=torch.manual_seed(0))
    energy, forces = evaluate(model, positions)
    other_energy, other_forces = evaluate(model, positions[:, order], NUMBERS[order])
    torch.testing.assert_close(other_energy, energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(other_forces, forces[:, order], rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_have_the_same_bits_alone_and_in_a_batch(model: So3krates, dtype: torch.dtype) -> None:
    model.to(dtype)
    batch = shaken(33).to(dtype)
    energy, forces = evaluate(model, batch)
    for size, start in ((1, 0), (1, 32), (2, 11), (7, 20)):
        rows = slice(start, start + size)
        some_energy, some_forces = evaluate(model, batch[rows])
        assert torch.equal(some_energy, energy[rows])
        assert torch.equal(some_forces, forces[rows])


def test_a_row_that_is_not_finite_leaves_the_others_alone(model: So3krates) -> None:
    batch = shaken(5)
    good, potential = batch.clone(), LearnedPotential(model, NUMBERS)
    batch[2, 4, 1] = torch.nan
    found, expected = potential(batch), potential(good)
    others = [0, 1, 3, 4]
    assert found.energy[2].isnan()
    assert torch.equal(found.energy[others], expected.energy[others])
    assert torch.equal(found.forces[others], expected.forces[others])


def test_hessians_are_the_derivatives_of_forces(model: So3krates) -> None:
    positions, potential = shaken(), LearnedPotential(model, NUMBERS)
    step = torch.zeros_like(positions)
    step[0, 3, 2] = 1e-4
    expected = (potential(positions - step).forces - potential(positions + step).forces).flatten() / 2e-4
    found = potential.hessian(positions)[0, 3 * 3 + 2]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_different_molecules_side_by_side_do_not_see_each_other(model: So3krates) -> None:
    parts = [molecule(name) for name in ("CH3CH2OH", "H2O", "CH4", "CH3CH2OH")]
    numbers, positions = (
        [torch.tensor(part.numbers) for part in parts],
        [torch.tensor(part.positions) for part in parts],
    )
    charges = [0, 1, -1, 0]
    together = model(collate(numbers, positions, 3.0, charges=charges))
    alone = [model(replicas(z, r[None], 3.0, charge=q)) for z, r, q in zip(numbers, positions, charges, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-9)


def test_dense_and_ragged_batches_of_one_molecule_are_the_same(model: So3krates) -> None:
    batch = shaken(3)
    dense = model(replicas(NUMBERS, batch, 3.0))
    ragged = model(collate([*[NUMBERS] * 3, torch.ones(12, dtype=torch.long)], [*batch, 9.0 * torch.randn(12, 3)], 3.0))
    torch.testing.assert_close(ragged[:3], dense, rtol=0, atol=1e-9)


def test_coincident_and_collinear_atoms_have_finite_gradients(model: So3krates) -> None:
    coincident = shaken()
    coincident[0, 3] = coincident[0, 4]
    collinear = torch.zeros_like(coincident)
    collinear[0, :, 1] = 1.1 * torch.arange(len(NUMBERS))
    for positions in (coincident, collinear):
        energy, forces = evaluate(model, positions)
        assert energy.isfinite().all()
        assert forces.isfinite().all()


@pytest.mark.parametrize("name", ["short", "exponential and gaussian", "long"])
def test_second_derivatives_are_continuous_where_a_pair_leaves_the_cutoff(name: str) -> None:
    model = make_model(MODELS[name])

    def curvature(distance: float) -> Tensor:
        x = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
        zero = torch.zeros_like(x)
        water = torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0]], dtype=torch.float64)
        positions = torch.cat([water, torch.stack([zero, x, zero])[None]])[None]
        energy = model(replicas(torch.tensor([8, 1, 1]), positions, 3.0))
        (slope,) = torch.autograd.grad(energy.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(slope, x)
        return torch.stack([energy[0].detach(), slope.detach(), second])

    torch.testing.assert_close(curvature(3.0 - 1e-6), curvature(3.0 + 1e-6), rtol=0, atol=1e-3)
    assert float(curvature(2.0)[2].abs()) > 1e-2


def turned_blocks(make, sign: float) -> tuple[Tensor, Tensor, Tensor]:
    """Euclidean variables out of a block before and after a turn, and the Wigner matrix in between."""
    model, turn = make_model(SHORT), rotation(sign)
    wigner = WIGNER.D_from_matrix(turn)
    x = torch.randn(12, 64, generator=torch.manual_seed(2), dtype=torch.float64)
    euclidean = torch.randn(12, 24, generator=torch.manual_seed(3), dtype=torch.float64)
    pairs, turned_pairs = (model._pairs(replicas(NUMBERS, r, 3.0)) for r in (shaken(), shaken() @ turn.T))
    torch.manual_seed(4)
    block = make(Contraction(SHORT.degrees)).double()
    return block(x, euclidean, pairs), block(x, euclidean @ wigner.T, turned_pairs), wigner


class Exchanged(torch.nn.Module):
    """The exchange block, called like the others."""

    def __init__(self, contraction: Contraction) -> None:
        super().__init__()
        self.exchange = Exchange(SHORT, contraction)

    def forward(self, x: Tensor, euclidean: Tensor, _) -> tuple[Tensor, Tensor]:
        return self.exchange(x, euclidean)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    "make",
    [
        lambda contraction: Attention(SHORT, contraction, first=False),
        Exchanged,
        lambda contraction: Layer(SHORT, contraction, first=False),
    ],
    ids=["attention", "exchange", "layer"],
)
def test_euclidean_variables_of_each_block_turn_as_e3nn_says(make, sign: float) -> None:
    (x, euclidean), (turned_x, turned), wigner = turned_blocks(make, sign)
    assert float(euclidean.detach().abs().mean()) > 1e-3
    # e3nn builds its matrices from tables in single precision.
    torch.testing.assert_close(turned, euclidean @ wigner.T, rtol=0, atol=1e-5)
    torch.testing.assert_close(turned_x, x, rtol=0, atol=1e-4)


def test_charge_and_spin_change_the_energy_where_the_model_knows_them() -> None:
    model, positions = make_model(LONG), shaken()
    energies = {evaluate(model, positions, charge=q, n_unpaired=s)[0].item() for q in (-1, 0, 1) for s in (0, 1, 2)}
    assert len(energies) == 9


def test_partial_charges_add_up_to_the_charge() -> None:
    charges = make_model(LONG).partial_charges(replicas(NUMBERS, shaken(2), 3.0, charge=-1))
    torch.testing.assert_close(charges.view(2, -1).sum(dim=1).detach(), torch.tensor([-1.0, -1.0]).double())


def test_every_parameter_takes_part_in_training() -> None:
    model = make_model(LONG)
    moved = shaken(2).requires_grad_()
    # Both signs: each has a row of its own in the tables of charges; spins are never negative.
    graphs = [replicas(NUMBERS, moved, 3.0, charge=q, n_unpaired=1) for q in (1, -1)]
    energy = torch.cat([model.interaction_energies(graph) for graph in graphs])
    (gradient,) = torch.autograd.grad(energy.sum(), moved, create_graph=True)
    (energy.square().mean() + gradient.square().mean()).backward()
    idle = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert idle == []


def test_the_long_range_cutoff_can_be_changed_afterwards() -> None:
    model = make_model(LONG)
    cut = model.with_long_range_cutoff(4.0)
    assert torch.equal(evaluate(cut, shaken())[0], evaluate(make_model(MODELS["long with a cutoff"]), shaken())[0])
    assert torch.equal(evaluate(cut.with_long_range_cutoff(None), shaken())[0], evaluate(model, shaken())[0])
