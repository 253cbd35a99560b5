import numpy as np
import pytest
import torch
from ase.build import molecule

from pesx.calculator import PesxCalculator
from pesx.errors import CheckpointError, ConfigError, InputError
from pesx.so3krates.checkpoint import load, save
from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.so3krates.uncertainty import Uncertainty


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    model = So3krates(So3kratesSettings(features=24, n_layers=2, mean_neighbours=8.0))
    model.set_reference_energies({1: -13.0, 6: -1030.0, 8: -2040.0})
    save(tmp_path / "model.safetensors", model, {"level": "none"})
    return tmp_path / "model.safetensors"


def test_forces_are_minus_the_gradient_of_the_energy(path):
    atoms = molecule("CH3CH2OH")
    atoms.calc = PesxCalculator(path, device="cpu", dtype="float64")
    forces = atoms.get_forces()
    atoms.positions[3, 0] += 1e-5
    ahead = atoms.get_potential_energy()
    atoms.positions[3, 0] -= 2e-5
    behind = atoms.get_potential_energy()
    assert (behind - ahead) / 2e-5 == pytest.approx(forces[3, 0], abs=1e-6)


def test_precisions_agree_and_molecules_may_change(path):
    single, double = (PesxCalculator(path, device="cpu", dtype=dtype) for dtype in ("float32", "float64"))
    for name in ("H2O", "CH3CH2OH", "H2O"):
        atoms = molecule(name)
        assert single.get_potential_energy(atoms) == pytest.approx(double.get_potential_energy(atoms), abs=1e-4)
        np.testing.assert_allclose(single.get_forces(atoms), double.get_forces(atoms), atol=1e-3)
    assert single.card == {"level": "none"}


def test_periodic_atoms_and_unknown_elements_are_refused(path):
    calculator = PesxCalculator(path, device="cpu")
    water = molecule("H2O", vacuum=5.0, pbc=True)
    with pytest.raises(InputError, match="vacuum"):
        calculator.get_potential_energy(water)
    with pytest.raises(InputError, match="17"):
        calculator.get_potential_energy(molecule("HCl"))


@pytest.fixture
def charged_path(tmp_path):
    torch.manual_seed(0)
    settings = So3kratesSettings(
        features=24, n_layers=1, charge_embedding=True, spin_embedding=True, electrostatics=True
    )
    save(tmp_path / "charged.safetensors", So3krates(settings), {})
    return tmp_path / "charged.safetensors"


def test_charge_and_multiplicity_come_from_the_atoms_or_the_caller(charged_path):
    atoms = molecule("H2O")
    atoms.calc = PesxCalculator(charged_path, device="cpu")
    neutral = atoms.get_potential_energy()
    atoms.info |= {"charge": 1, "multiplicity": 2}
    cation = atoms.get_potential_energy()
    assert cation != neutral
    given = PesxCalculator(charged_path, device="cpu", charge=1, multiplicity=2)
    assert given.get_potential_energy(molecule("H2O")) == cation
    atoms.info.clear()
    assert atoms.get_potential_energy() == neutral


def test_charged_atoms_and_a_model_without_charge_embedding(path):
    atoms = molecule("H2O")
    atoms.info["charge"] = -1
    with pytest.raises(InputError, match="without charge embedding"):
        PesxCalculator(path, device="cpu").get_potential_energy(atoms)


def test_a_long_range_cutoff_changes_energies_where_there_is_something_to_cut(charged_path, path):
    atoms = molecule("CH3CH2OH")
    free, cut = (PesxCalculator(charged_path, device="cpu", long_range_cutoff=cutoff) for cutoff in (None, 3.0))
    assert free.get_potential_energy(atoms) != cut.get_potential_energy(atoms)
    with pytest.raises(ConfigError, match="long-range"):
        PesxCalculator(path, long_range_cutoff=12.0)


def test_unknown_precision_and_missing_file_are_refused(tmp_path, path):
    with pytest.raises(ConfigError, match="float16"):
        PesxCalculator(path, dtype="float16")
    with pytest.raises(CheckpointError, match="found none"):
        PesxCalculator(tmp_path / "absent.safetensors")


def test_the_uncertainty_is_given_when_asked_for(path, charged_path):
    for file in (path, charged_path):
        model, card = load(file)
        model.uncertainty = Uncertainty.of(torch.eye(25), ridge=1.0, level="default").with_alpha(0.5)
        save(file, model, card)
    cutoff = {path: None, charged_path: 9.0}
    for file, long_range_cutoff in cutoff.items():
        atoms = molecule("H2O")
        atoms.calc = PesxCalculator(file, device="cpu", long_range_cutoff=long_range_cutoff)
        energy = atoms.get_potential_energy()
        assert set(atoms.calc.results) == {"energy", "forces"}
        first = atoms.calc.get_property("energy_uncertainty", atoms)
        assert 0 < first < 100
        assert atoms.calc.results["energy"] == energy
        atoms.positions[0] += 0.1
        assert atoms.calc.get_property("energy_uncertainty", atoms) != first


def test_without_calibration_there_is_no_uncertainty(path):
    calculator = PesxCalculator(path, device="cpu")
    assert calculator.implemented_properties == ["energy", "forces"]
    with pytest.raises(Exception, match="energy_uncertainty property not implemented"):
        calculator.get_property("energy_uncertainty", molecule("H2O"))
