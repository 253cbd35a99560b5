import dataclasses

import pytest
import torch
from ase.build import molecule
from e3nn import o3

from pesx.errors import ConfigError, InputError
from pesx.so3krates.graph import collate, replicas
from pesx.so3krates.model import So3krates, So3kratesSettings, with_baseline

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

SMALL = So3kratesSettings(features=48, n_layers=3, cutoff=3.0, mean_neighbours=5.0)


def make_model(settings=SMALL):
    torch.manual_seed(3)
    model = So3krates(settings).double()
    model.set_reference_energies({1: -13.0, 6: -1030.0, 8: -2040.0})
    return model


def structure(name="CH3CH2OH"):
    atoms = molecule(name)
    return torch.tensor(atoms.numbers), torch.tensor(atoms.positions)


def evaluate(model, numbers, positions):
    moved = positions.clone().requires_grad_()
    energy = model(replicas(numbers, moved, model.settings.cutoff))
    (gradient,) = torch.autograd.grad(energy.sum(), moved)
    return energy.detach(), -gradient


def shaken(positions, n=1, size=0.1):
    noise = torch.randn(n, *positions.shape, generator=torch.manual_seed(1), dtype=torch.float64)
    return positions + size * noise


def rotation_matrix():
    matrix, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.manual_seed(5), dtype=torch.float64))
    return matrix * torch.linalg.det(matrix)


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}, {"residual_mlp": False, "degrees": (2, 4)}])
def test_forces_are_minus_the_gradient(options):
    model = make_model(dataclasses.replace(SMALL, **options))
    numbers, positions = structure()
    batch = shaken(positions)
    _, forces = evaluate(model, numbers, batch)
    step = torch.zeros_like(batch)
    for atom in (0, 4, 8):
        step.zero_()
        step[0, atom, 1] = 1e-5
        ahead, behind = evaluate(model, numbers, batch + step)[0], evaluate(model, numbers, batch - step)[0]
        assert float((behind - ahead) / 2e-5) == pytest.approx(float(forces[0, atom, 1]), abs=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rotation_reflection_and_translation_leave_the_energy_and_turn_forces(sign):
    numbers, positions = structure()
    batch = shaken(positions)
    rotation = sign * rotation_matrix()
    energy, forces = evaluate(make_model(), numbers, batch)
    turned_energy, turned_forces = evaluate(make_model(), numbers, batch @ rotation.T + 7.0)
    torch.testing.assert_close(turned_energy, energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(turned_forces, forces @ rotation.T, rtol=0, atol=1e-9)


def test_order_of_atoms_does_not_matter():
    numbers, positions = structure()
    batch, order = shaken(positions), torch.randperm(len(numbers), generator=torch.manual_seed(0))
    energy, forces = evaluate(make_model(), numbers, batch)
    other_energy, other_forces = evaluate(make_model(), numbers[order], batch[:, order])
    torch.testing.assert_close(other_energy, energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(other_forces, forces[:, order], rtol=0, atol=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_euclidean_variables_turn_as_e3nn_says(sign):
    numbers, positions = structure()
    batch = shaken(positions)
    rotation = sign * rotation_matrix()
    model = make_model()
    features, euclidean = model.features(replicas(numbers, batch, 3.0))
    turned_features, turned = model.features(replicas(numbers, batch @ rotation.T, 3.0))
    wigner = o3.Irreps("1o+2e+3o").D_from_matrix(rotation)
    assert float(euclidean[:, :15].detach().abs().mean()) > 1e-3
    torch.testing.assert_close(turned_features, features, rtol=0, atol=1e-9)
    # e3nn builds its matrices from tables in single precision.
    size = float(euclidean.detach().abs().max())
    torch.testing.assert_close(turned[:, :15], euclidean[:, :15] @ wigner.T, rtol=0, atol=1e-6 * size)
    assert (euclidean[:, 15:] == 0).all()


def test_second_derivative_is_continuous_where_a_pair_leaves_the_cutoff():
    model = make_model()
    numbers = torch.tensor([8, 1, 1])

    def curvature(distance):
        x = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
        zero = torch.zeros_like(x)
        water = torch.stack([torch.stack([zero, zero, zero]), torch.stack([x * 0 + 0.96, zero, zero])])
        far = torch.stack([zero, x, zero])[None]
        energy = model(replicas(numbers, torch.cat([water, far])[None], 3.0))
        (slope,) = torch.autograd.grad(energy.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(slope, x)
        return float(slope.detach()), float(second)

    leaving = (9.0 - 0.96**2) ** 0.5
    for edge in (3.0, leaving):
        inside, outside = curvature(edge - 1e-6), curvature(edge + 1e-6)
        assert inside == pytest.approx(outside, abs=1e-3)
    assert abs(curvature(2.0)[1]) > 1e-2


def test_different_molecules_side_by_side_do_not_see_each_other():
    model = make_model()
    parts = [structure(name) for name in ("CH3CH2OH", "H2O", "CH4", "CH3CH2OH")]
    together = model(collate([z for z, _ in parts], [r for _, r in parts], 3.0))
    alone = torch.cat([model(replicas(z, r[None], 3.0)) for z, r in parts])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_have_the_same_bits_alone_and_in_a_batch(dtype):
    model = make_model().to(dtype)
    numbers, positions = structure()
    batch = shaken(positions, n=64).to(dtype)
    energy, forces = evaluate(model, numbers, batch)
    for size, start in ((1, 0), (1, 37), (3, 5), (17, 40)):
        rows = slice(start, start + size)
        some_energy, some_forces = evaluate(model, numbers, batch[rows])
        assert torch.equal(some_energy, energy[rows])
        assert torch.equal(some_forces, forces[rows])


def test_coincident_atoms_have_finite_gradients():
    numbers, positions = structure()
    positions[3] = positions[4]
    energy, forces = evaluate(make_model(), numbers, positions[None])
    assert energy.isfinite().all()
    assert forces.isfinite().all()


def test_atoms_out_of_reach_have_the_energy_of_atoms():
    model = make_model()
    far = torch.tensor([[[0.0, 0.0, 0.0], [50.0, 0.0, 0.0]]], dtype=torch.float64)
    pair = model(replicas(torch.tensor([1, 8]), far, 3.0))
    single = [model(replicas(torch.tensor([z]), far[:, :1], 3.0)) for z in (1, 8)]
    torch.testing.assert_close(pair, single[0] + single[1])


def test_total_is_interaction_plus_reference_energies():
    model = make_model()
    numbers, positions = structure()
    graph = replicas(numbers, positions[None], 3.0)
    difference = model(graph) - model.interaction_energies(graph)
    torch.testing.assert_close(difference, torch.tensor([-13.0 * 6 - 1030.0 * 2 - 2040.0], dtype=torch.float64))


def test_reference_energies_stay_float64_in_a_float32_model():
    model = make_model()
    model.set_reference_energies({8: -2040.123456789})
    assert float(model.float().head().reference_energies[8]) == -2040.123456789
    numbers, positions = structure("H2O")
    assert model(replicas(numbers, positions[None].float(), 3.0)).dtype == torch.float64


def test_every_parameter_takes_part_in_training():
    model = make_model()
    numbers, positions = structure()
    moved = shaken(positions, n=2).requires_grad_()
    energy = model.interaction_energies(replicas(numbers, moved, 3.0))
    (gradient,) = torch.autograd.grad(energy.sum(), moved, create_graph=True)
    (energy.square().mean() + gradient.square().mean()).backward()
    idle = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert idle == []


def test_levels_of_theory_have_heads_of_their_own():
    model = make_model(dataclasses.replace(SMALL, levels=("cheap", "dear")))
    model.set_reference_energies({6: -1000.0}, level=1)
    numbers, positions = structure()
    graph = replicas(numbers, positions[None], 3.0)
    assert float((model(graph, level=0) - model(graph, level=1)).detach()) < -50.0


def test_unknown_elements_are_named():
    with pytest.raises(InputError, match="17"):
        make_model().check_elements(torch.tensor([1, 17]))


@pytest.mark.parametrize(
    "change",
    [
        {"features": 50},
        {"features": 64},
        {"n_heads": 5},
        {"degrees": (1, 1)},
        {"degrees": (0, 1, 2)},
        {"cutoff": 0.0},
        {"elements": (6, 1)},
        {"elements": ()},
        {"levels": ()},
    ],
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match="Expected"):
        dataclasses.replace(SMALL, **change)


def test_settings_survive_the_way_through_plain_values():
    assert So3kratesSettings.from_dict(SMALL.as_dict()) == SMALL
    with pytest.raises(ConfigError, match="layers_of_cake"):
        So3kratesSettings.from_dict({"layers_of_cake": 3})


def corrected(baseline, **options):
    """A baseline with a correction that is not zero."""
    settings = dataclasses.replace(SMALL, features=24, n_layers=2, cutoff=3.5, **options)
    model = with_baseline(settings, baseline, seed=5)
    torch.nn.init.normal_(model.head().out.weight, generator=torch.manual_seed(6))
    return model


def test_a_correction_begins_as_its_baseline():
    baseline = make_model()
    model = with_baseline(dataclasses.replace(SMALL, cutoff=3.5), baseline, seed=0)
    numbers, positions = structure()
    for found, expected in zip(*(evaluate(m, numbers, positions[None]) for m in (model, baseline)), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    assert model.settings.levels == baseline.settings.levels[:1]
    other = with_baseline(dataclasses.replace(SMALL, cutoff=3.5), baseline, seed=1)
    assert not torch.equal(model.embedding.weight, other.embedding.weight)


def test_energy_and_forces_are_those_of_correction_and_baseline():
    baseline = make_model()
    model = corrected(baseline)
    numbers, positions = structure()
    positions = shaken(positions, n=3)
    energy, forces = evaluate(model, numbers, positions)
    own, base = model.networks()
    assert base is model.baseline
    assert own.settings == dataclasses.replace(model.settings, baseline=None)
    (own_energy, own_forces), (base_energy, base_forces) = (evaluate(m, numbers, positions) for m in (own, baseline))
    reference = baseline.head().reference_energies[numbers].sum()
    torch.testing.assert_close(energy, own_energy + base_energy - reference, rtol=0, atol=1e-9)
    torch.testing.assert_close(forces, own_forces + base_forces, rtol=0, atol=1e-9)
    assert own_forces.abs().max() > 1e-3


def test_a_baseline_is_frozen_and_the_rest_is_not():
    model = corrected(make_model())
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith("baseline.")}
    assert frozen


def test_a_baseline_lends_what_it_knows_of_charges_and_the_long_range():
    baseline = make_model(dataclasses.replace(SMALL, charge_embedding=True, electrostatics=True))
    model = corrected(baseline)
    model.check_electrons(1, 1)
    with pytest.raises(InputError, match="spin embedding"):
        model.check_electrons(0, 2)
    numbers, positions = structure()
    graph = replicas(numbers, positions[None], 3.5)
    torch.testing.assert_close(model.partial_charges(graph), baseline.partial_charges(graph))
    shorter = model.with_long_range_cutoff(4.0)
    assert shorter.settings.long_range_cutoff is None
    assert shorter.settings.baseline.long_range_cutoff == 4.0
    expected = model(graph) - baseline(graph) + baseline.with_long_range_cutoff(4.0)(graph)
    torch.testing.assert_close(shorter(graph), expected, rtol=0, atol=1e-9)
