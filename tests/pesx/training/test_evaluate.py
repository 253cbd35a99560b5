from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.errors import InputError
from pesx.training.dataset import Dataset
from pesx.training.evaluate import evaluate, predictions
from pesx.training.step import energy_and_forces
from pesx.units import KCAL_PER_MOL


@pytest.fixture
def exact(toy_data, toy_model, toy_table) -> Dataset:
    """The frames of the toy data with the model's own predictions as labels."""
    molecules, at = [], 0
    for molecule in toy_data.molecules:
        rows = np.arange(at, at + len(molecule))
        energy, forces = energy_and_forces(toy_model, toy_table.batch(rows).graph, create_graph=False)
        at += len(molecule)
        total = energy.detach().double().numpy() - 10.0 * len(molecule.numbers)
        molecules.append(replace(molecule, energy=total, forces=forces.numpy().reshape(molecule.forces.shape)))
    return Dataset(tuple(molecules))


def test_a_model_has_no_errors_on_its_own_predictions(toy_model, exact):
    for errors in evaluate(toy_model, exact):
        assert errors.force_mae < 0.1
        assert errors.energy_mae < 0.01
        assert abs(errors.energy_offset) < 0.01


def test_predictions_are_those_of_each_frame_alone_with_the_references_in(toy_model, exact):
    toy_model.set_reference_energies({1: -10.0, 6: -10.0, 8: -10.0})
    whole = predictions(toy_model, exact)
    for found, molecule in zip(whole, exact.molecules, strict=True):
        np.testing.assert_allclose(found.energy, molecule.energy, atol=1e-4)
        np.testing.assert_allclose(found.forces, molecule.forces, atol=1e-5)
        (alone,) = predictions(toy_model, Dataset((molecule.take(np.array([3])),)))
        np.testing.assert_allclose(found.forces[3], alone.forces[0], atol=1e-5)


def test_groups_are_all_then_molecules_then_temperatures(toy_model, exact):
    errors = evaluate(toy_model, exact)
    assert [(one.name, one.temperature) for one in errors] == [
        ("all", None),
        ("molecule 0", None),
        ("molecule 1", None),
        ("molecule 0", 400.0),
        ("molecule 0", 500.0),
        ("molecule 1", 400.0),
        ("molecule 1", 500.0),
    ]
    assert [one.n_frames for one in errors[:3]] == [11, 6, 5]


def test_known_errors_are_measured(toy_model, exact):
    first, second = exact.molecules
    alternating = 0.02 * (-1.0) ** np.arange(len(first))
    off = replace(first, energy=first.energy + 1.0 + alternating, forces=first.forces + np.float32(0.05))
    both, wrong, right = evaluate(toy_model, Dataset((off, second)))[:3]
    assert wrong.force_mae == pytest.approx(50.0, abs=0.1)
    assert wrong.force_rmse == pytest.approx(50.0, abs=0.1)
    assert wrong.energy_mae == pytest.approx(0.02 / KCAL_PER_MOL, abs=0.01)
    assert wrong.energy_offset == pytest.approx(-1.0 / KCAL_PER_MOL, abs=0.01)
    assert right.force_mae < 0.1
    # Force components of all frames count alike: 6 frames of 3 atoms are wrong, 5 of 5 right.
    assert both.force_mae == pytest.approx(50.0 * 18 / (18 + 25), abs=0.1)


def test_errors_become_plain_values(toy_model, exact):
    table = evaluate(toy_model, exact)[0].as_table()
    assert table["name"] == "all"
    assert {type(value) for value in table.values()} <= {str, int, float, type(None)}


def test_unknown_elements_are_refused(toy_model, exact):
    numbers = exact.molecules[0].numbers.copy()
    numbers[0] = 7
    other = Dataset((replace(exact.molecules[0], numbers=numbers),))
    with pytest.raises(InputError, match="7"):
        evaluate(toy_model, other)
    assert torch.is_grad_enabled()
