from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.errors import InputError
from pesx.so3krates.model import So3krates
from pesx.training.correction import corrected, differences
from pesx.training.dataset import Dataset
from pesx.training.evaluate import predictions


@pytest.fixture
def cheap(toy_data):
    """The toy data at another level, each molecule back to front."""
    return Dataset(
        tuple(
            replace(one, level="cheap", energy=0.5 * one.energy, forces=0.5 * one.forces).take(
                np.arange(len(one))[::-1]
            )
            for one in toy_data.molecules
        )
    )


def test_differences_are_between_labels_of_the_same_structure(toy_data, cheap):
    few = Dataset((toy_data.molecules[0].take(np.array([4, 1])), *toy_data.molecules[1:]))
    found = differences(few, cheap)
    assert found.levels == ("toy less cheap",)
    for difference, accurate in zip(found.molecules, few.molecules, strict=True):
        np.testing.assert_array_equal(difference.positions, accurate.positions)
        np.testing.assert_allclose(difference.energy, 0.5 * accurate.energy)
        np.testing.assert_allclose(difference.forces, 0.5 * accurate.forces, rtol=1e-6)


def test_structures_without_a_partner_are_left_out(toy_data, cheap):
    moved = replace(cheap.molecules[0], positions=cheap.molecules[0].positions + np.float32(0.01))
    found = differences(toy_data, Dataset((moved, cheap.molecules[1])))
    assert [molecule.name for molecule in found.molecules] == ["molecule 1"]
    with pytest.raises(InputError, match="Expected cheap labels of the structures that have accurate ones"):
        differences(toy_data, Dataset((moved,)))


def test_several_levels_cannot_be_corrected_at_once(toy_data, cheap):
    both = Dataset((cheap.molecules[0], replace(cheap.molecules[1], level="other")))
    with pytest.raises(InputError, match="came 'cheap', 'other' together"):
        differences(toy_data, both)


def test_labels_with_one_correction_are_their_sum(cheap, toy_model):
    found = corrected(cheap, [toy_model], "toy")
    assert found.data.levels == ("toy",)
    for molecule, before, added in zip(
        found.data.molecules, cheap.molecules, predictions(toy_model, cheap), strict=True
    ):
        np.testing.assert_allclose(molecule.energy, before.energy + added.energy)
        np.testing.assert_allclose(molecule.forces, before.forces + added.forces, atol=1e-6)
    assert not any(spread.any() for spread in found.spread)


def test_the_spread_is_that_of_the_networks(cheap, toy_model):
    torch.manual_seed(7)
    other = So3krates(toy_model.settings)
    found = corrected(cheap, [toy_model, other], "toy")
    for spread, one, two in zip(found.spread, predictions(toy_model, cheap), predictions(other, cheap), strict=True):
        expected = np.sqrt(np.square(0.5 * (one.forces - two.forces)).mean(axis=2))
        np.testing.assert_allclose(spread, expected, atol=1e-9)
        assert (spread > 0).any()
