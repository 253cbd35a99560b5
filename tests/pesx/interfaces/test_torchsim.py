import inspect

import numpy as np
import pytest
import torch
from ase.build import molecule

from pesx.calculator import PesxCalculator
from pesx.errors import ConfigError, InputError
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates, So3kratesSettings

ts = pytest.importorskip("torch_sim", reason="needs the extra torchsim")

from torch_sim.models.interface import validate_model_outputs  # noqa: E402

from pesx.interfaces.torchsim import PesxModel  # noqa: E402

CPU = torch.device("cpu")
NAMES = ("CH3CH2OH", "H2O", "O", "C6H6")
"""Unlike in size, with an atom alone."""


def state_of(systems, dtype=torch.float64):
    return ts.io.atoms_to_state(systems, CPU, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_systems_of_unlike_size_are_those_of_the_calculator(path, dtype):
    systems = [molecule(name) for name in NAMES]
    answer = PesxModel(path, CPU, dtype)(state_of(systems, dtype))
    calculator = PesxCalculator(path, device="cpu", dtype="float64")
    energies = torch.tensor([calculator.get_potential_energy(atoms) for atoms in systems], dtype=torch.float64)
    forces = torch.from_numpy(np.concatenate([calculator.get_forces(atoms) for atoms in systems]))
    assert answer["energy"].dtype == answer["forces"].dtype == dtype
    exact = dtype == torch.float64
    torch.testing.assert_close(answer["energy"].double(), energies, rtol=1e-12 if exact else 1e-6, atol=0.0)
    torch.testing.assert_close(answer["forces"].double(), forces, rtol=0.0, atol=1e-6 if exact else 1e-3)


def test_charge_spin_and_long_range_cutoff_are_passed_on(charged_path):
    systems = [molecule(name) for name in NAMES]
    options = {"charge": -1, "multiplicity": 2, "long_range_cutoff": 5.0}
    answer = PesxModel(charged_path, CPU, **options)(state_of(systems))
    calculator = PesxCalculator(charged_path, device="cpu", dtype="float64", **options)
    energies = [calculator.get_potential_energy(atoms) for atoms in systems]
    forces = np.concatenate([calculator.get_forces(atoms) for atoms in systems])
    np.testing.assert_allclose(answer["energy"], energies, rtol=1e-12)
    np.testing.assert_allclose(answer["forces"], forces, atol=1e-6)


def test_the_order_of_the_systems_does_not_matter(path):
    model = PesxModel(path, CPU)
    systems = [molecule(name) for name in NAMES]
    forwards, backwards = model(state_of(systems)), model(state_of(systems[::-1]))
    assert torch.equal(forwards["energy"].flip(0), backwards["energy"])


@pytest.mark.skipif(
    "state_modifier" in inspect.signature(validate_model_outputs).parameters,
    reason="newer checks shift atoms by a lattice vector, which means nothing in vacuum",
)
def test_their_own_check_of_models(tmp_path, monkeypatch):
    """The check uses crystals of silicon, iron and others; here their atoms stand in vacuum, for a model of these elements."""
    torch.manual_seed(0)
    network = So3krates(So3kratesSettings(features=24, n_layers=1, elements=(1, 6, 12, 14, 26)))
    checkpoint.save(tmp_path / "model.safetensors", network, {})
    model = PesxModel(tmp_path / "model.safetensors", CPU)
    made = ts.io.atoms_to_state

    def in_vacuum(systems, *arguments):
        for atoms in systems:
            atoms.pbc = False
        return made(systems, *arguments)

    monkeypatch.setattr(ts.io, "atoms_to_state", in_vacuum)
    validate_model_outputs(model, CPU, torch.float64)
    assert not model.compute_stress


@pytest.mark.parametrize("name", ["benzene", "pentacene", "aspirin", "alanine_dipeptide"])
def test_their_own_comparison_with_calculators(path, name):
    testing = pytest.importorskip("torch_sim.testing", reason="TorchSim has it from 0.6 on")
    calculator = PesxCalculator(path, device="cpu", dtype="float64")
    state = testing.SIMSTATE_MOLECULE_GENERATORS[f"{name}_sim_state"](CPU, torch.float64)
    testing.assert_model_calculator_consistency(PesxModel(path, CPU), calculator, state)


def test_a_system_that_is_not_finite_leaves_the_others_as_they_were(path):
    model = PesxModel(path, CPU)
    systems = [molecule(name) for name in NAMES]
    whole = model(state_of(systems))
    state = state_of(systems)
    state.positions[0, 0] = torch.nan
    broken = model(state)
    n_first = len(systems[0])
    assert broken["energy"][0].isnan()
    assert broken["forces"][:n_first].isnan().all()
    assert torch.equal(broken["energy"][1:], whole["energy"][1:])
    assert torch.equal(broken["forces"][n_first:], whole["forces"][n_first:])


def test_an_optimisation_ends_where_forces_are_small(path):
    model = PesxModel(path, CPU)
    systems = [molecule(name) for name in ("CH3OH", "H2O")]
    start = model(state_of(systems))
    optimizer = getattr(ts, "Optimizer", ts.optimizers).fire
    converged = ts.generate_force_convergence_fn(0.05, include_cell_forces=False)
    final = ts.optimize(state_of(systems), model, optimizer=optimizer, convergence_fn=converged, max_steps=300)
    assert (final.energy < start["energy"]).all()
    assert model(final)["forces"].norm(dim=1).max() < 0.05


def total_energies(state):
    kinetic = 0.5 * state.momenta.square().sum(dim=1) / state.masses
    return state.energy + torch.zeros_like(state.energy).index_add(0, state.system_idx, kinetic)


def test_dynamics_conserve_the_energy_of_every_system(path):
    model = PesxModel(path, CPU)
    nve = getattr(ts, "Integrator", ts.integrators).nve
    options = {"integrator": nve, "n_steps": 1, "timestep": 2e-4, "temperature": 3000.0}
    state = ts.integrate(state_of([molecule(name) for name in ("CH3OH", "H2O")]), model, **options)
    totals, potentials = [], []
    for _ in range(40):
        state = ts.integrate(state, model, **options)
        totals.append(total_energies(state))
        potentials.append(state.energy.clone())
    total, potential = torch.stack(totals), torch.stack(potentials)
    drift, exchanged = total.amax(0) - total.amin(0), potential.amax(0) - potential.amin(0)
    assert (drift < 0.02 * exchanged).all()


def test_what_cannot_be_done_is_refused(path):
    model = PesxModel(path, CPU)
    with pytest.raises(InputError, match="vacuum"):
        model(state_of([molecule("H2O", vacuum=5.0, pbc=True)]))
    with pytest.raises(InputError, match="17"):
        model(state_of([molecule("H2O"), molecule("HCl")]))
    with pytest.raises(InputError, match="float32"):
        model(state_of([molecule("H2O")], torch.float32))
    with pytest.raises(InputError, match="charge"):
        PesxModel(path, CPU, charge=1)
    with pytest.raises(ConfigError, match="float16"):
        PesxModel(path, CPU, torch.float16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_replicas_of_one_molecule_are_those_of_a_mixed_batch(path, dtype):
    """Replicas alone go through compiled kernels with tabulated filters."""
    random = np.random.default_rng(0)
    replicas = [molecule("CH3CH2OH") for _ in range(3)]
    for atoms in replicas:
        atoms.positions += 0.05 * random.normal(size=atoms.positions.shape)
    model = PesxModel(path, CPU, dtype)
    alone, mixed = model(state_of(replicas, dtype)), model(state_of([*replicas, molecule("H2O")], dtype))
    n_rows = sum(map(len, replicas))
    torch.testing.assert_close(alone["energy"], mixed["energy"][:3], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(alone["forces"], mixed["forces"][:n_rows], rtol=1e-5, atol=1e-5)
    assert alone["energy"].dtype == alone["forces"].dtype == dtype


def test_another_molecule_of_as_many_atoms_is_not_taken_for_the_last_one(path):
    model = PesxModel(path, CPU)
    first = model(state_of([molecule("H2O")]))["energy"]
    other = molecule("H2O")
    other.numbers[0] = 6
    assert model(state_of([other]))["energy"] != first
    assert torch.equal(model(state_of([molecule("H2O")]))["energy"], first)
