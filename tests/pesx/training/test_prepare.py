from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import ConfigError, InputError
from pesx.training.dataset import Dataset, merge, without_labels
from pesx.training.prepare import prepare
from pesx.training.settings import TrainingSettings

SETTINGS = TrainingSettings(n_steps=1, validation_fraction=0.2)


@pytest.fixture
def data(make_springs):
    return Dataset((make_springs([8, 1, 1], 40, 0), make_springs([6, 1, 1, 1, 1], 40, 1)))


def at_level(data, level):
    return Dataset(tuple(replace(molecule, level=level) for molecule in data.molecules))


def test_what_is_held_out_is_not_trained_on(data):
    prepared = prepare(SETTINGS, data)
    assert len(prepared.training) + len(prepared.validation) == len(data)
    for mine, theirs in zip(prepared.training.molecules, prepared.validation.molecules, strict=True):
        assert set(mine.trajectory).isdisjoint(theirs.trajectory)


def test_it_is_the_same_every_time(data):
    first, second = prepare(SETTINGS, data), prepare(SETTINGS, data)
    assert first.digest == second.digest
    assert first.validation.digest() == second.validation.digest()


def test_frames_that_are_too_hot_are_left_out(data):
    strongest = max(np.linalg.norm(molecule.forces, axis=-1).max() for molecule in data.molecules)
    prepared = prepare(replace(SETTINGS, max_force=0.9 * float(strongest)), data)
    assert len(prepared.training) + len(prepared.validation) < len(data)


def test_the_target_comes_first_and_alone_is_validated(data):
    both = merge([data, at_level(data, "other")])
    prepared = prepare(SETTINGS, both, target="other")
    assert list(prepared.references) == ["other", "springs"]
    assert prepared.validation.levels == ("other",)
    assert set(prepared.training.levels) == {"springs", "other"}
    with pytest.raises(ConfigError, match="'springs', 'other'"):
        prepare(SETTINGS, both)


def test_frames_for_validation_can_be_given(data, make_springs):
    given = Dataset((make_springs([8, 1, 1], 7, 5),))
    prepared = prepare(SETTINGS, data, validation=given)
    assert len(prepared.training) == len(data)
    assert prepared.validation.digest() == given.digest()
    with pytest.raises(InputError, match="none"):
        prepare(SETTINGS, data, validation=without_labels(given))


def test_elements_that_the_network_or_the_start_lacks_are_named_with_a_molecule(data, make_springs, toy_model):
    sulfur = Dataset((*data.molecules, make_springs([16, 1, 1], 10, 2)))
    small = replace(SETTINGS, model=replace(SETTINGS.model, elements=(1, 6, 8)))
    with pytest.raises(InputError, match=r"the \[model\] table, \[1, 6, 8\].*\[16\], first in 'springs 3' \(1 of 3"):
        prepare(small, sulfur)
    more = replace(SETTINGS, model=replace(SETTINGS.model, elements=(1, 6, 8, 16)))
    with pytest.raises(InputError, match=r"the start, \[1, 6, 8\].*came \[16\]"):
        prepare(more, sulfur, toy_model)


@pytest.mark.parametrize(("what", "value"), [("charge", 2), ("multiplicity", 3)])
def test_electrons_that_the_network_cannot_tell_apart(data, what, value):
    one, other = data.molecules
    ion = replace(other, **{what: value})
    flag = {"charge": "charge_embedding", "multiplicity": "spin_embedding"}[what]
    with pytest.raises(InputError, match=rf"{what} {value} of 'springs 5' \(1 of 2 molecules\).*{flag} = true"):
        prepare(SETTINGS, Dataset((one, ion)))
    able = replace(SETTINGS, model=replace(SETTINGS.model, **{flag: True}))
    assert len(prepare(able, Dataset((one, ion))).training) > 0


def test_frames_that_are_all_too_hot(data):
    with pytest.raises(InputError, match=r"max_force = 1e-09 eV/angstrom, came 80, all with larger ones"):
        prepare(replace(SETTINGS, max_force=1e-9), data)
