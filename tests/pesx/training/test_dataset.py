import numpy as np
import pytest

from pesx.errors import InputError
from pesx.labelling.store import LABELLED, Frame, LabelStore, LabelWriter
from pesx.training.dataset import load, merge, without_hot_frames


class Source:
    level = "toy"

    def __init__(self, **changes):
        random = np.random.default_rng(0)
        self.numbers = changes.pop("numbers", [8, 1, 1])
        self.arrays = {
            "positions": random.normal(size=(4, 3, 3)),
            "energy": np.arange(4.0),
            "forces": random.normal(size=(4, 3, 3)),
            "temperature": np.full(4, 300.0),
            "trajectory": np.array(["a", "a", "b", "b"]),
        } | changes

    def molecules(self):
        return [(7, "water", self.numbers, 0, 1)]

    def frames(self, molecule_id):
        assert molecule_id == 7
        return self.arrays


def test_merged_frames_of_one_molecule_come_together_and_their_trajectories_stay_apart():
    one, other = load(Source()), load(Source(numbers=[8, 1, 6]))
    merged = merge([one, one, other])
    assert [len(molecule) for molecule in merged.molecules] == [8, 4]
    together = merged.molecules[0].trajectory
    assert set(together[:4]).isdisjoint(together[4:])
    assert together[4] == together[5] != together[6]
    np.testing.assert_array_equal(merged.molecules[0].forces[4:], one.molecules[0].forces)
    assert merge([one]).digest() == one.digest()


def at_level(level, **changes):
    source = Source(**changes)
    source.level = level
    return load(source)


def test_levels_stay_apart_and_can_be_taken_out():
    merged = merge([load(Source()), at_level("gfn2"), load(Source())])
    assert merged.levels == ("toy", "gfn2")
    assert [len(merged.at(level)) for level in merged.levels] == [8, 4]
    with pytest.raises(InputError, match=r"'b3lyp'.*'toy', 'gfn2'"):
        merged.at("b3lyp")
    assert merged.digest() != merge([load(Source())] * 3).digest()


@pytest.mark.parametrize("missing", ["energy", "forces"])
def test_a_label_can_be_missing_altogether_or_for_some_frames(missing):
    source = Source()
    some = np.ma.masked_array(source.arrays[missing], mask=False)
    some[1] = np.ma.masked
    (partly,) = load(Source(**{missing: some})).molecules
    del source.arrays[missing]
    (none,) = load(source).molecules
    flags = {"energy": partly.has_energy, "forces": partly.has_forces}
    assert flags.pop(missing).tolist() == [True, False, True, True]
    assert flags.popitem()[1].all()
    assert not {"energy": none.has_energy, "forces": none.has_forces}[missing].any()
    assert len(none) == 4


def test_a_label_that_is_nan_is_no_missing_label():
    energy = np.arange(4.0)
    energy[2] = np.nan
    with pytest.raises(InputError, match="NaN or infinity in frame 2"):
        load(Source(energy=energy))


def test_load_keeps_frames_and_numbers_trajectories():
    source = Source()
    dataset = load(source)
    (molecule,) = dataset.molecules
    np.testing.assert_allclose(molecule.positions, source.arrays["positions"], rtol=1e-6)
    assert molecule.energy.dtype == np.float64
    assert molecule.trajectory[0] == molecule.trajectory[1] != molecule.trajectory[2]
    assert dataset.elements == [1, 8]
    assert len(dataset) == 4


@pytest.mark.parametrize("key", ["positions", "energy", "forces"])
def test_non_finite_labels_name_the_frame(key):
    source = Source()
    source.arrays[key][2] = np.nan
    with pytest.raises(InputError, match=rf"'water', {key}.*frame 2"):
        load(source)


def test_forces_of_wrong_shape():
    with pytest.raises(InputError, match=r"forces: expected the shape \(4, 3, 3\), came \(4, 2, 3\)"):
        load(Source(forces=np.zeros((4, 2, 3))))


def test_forces_that_are_ragged():
    with pytest.raises(InputError, match="forces"):
        load(Source(forces=[np.zeros((3, 3)), np.zeros((2, 3))] * 2))


@pytest.mark.parametrize("number", [0, 119])
def test_unknown_element(number):
    with pytest.raises(InputError, match="atomic numbers"):
        load(Source(numbers=[8, 1, number]))


def test_no_frames():
    source = Source()
    source.arrays = {key: value[:0] for key, value in source.arrays.items()}
    with pytest.raises(InputError, match="found none"):
        load(source)


def test_digest_sees_every_label():
    changed = Source()
    changed.arrays["forces"] = changed.arrays["forces"].copy()
    changed.arrays["forces"][3, 2, 1] += 1e-3
    assert load(Source()).digest() == load(Source()).digest() != load(changed).digest()


def test_hot_frames_are_left_out():
    source = Source(forces=np.ones((4, 3, 3)))
    source.arrays["forces"][1, 0] = [30.0, 0.0, 0.0]
    kept = without_hot_frames(load(source), 20.0)
    np.testing.assert_array_equal(kept.molecules[0].energy, [0.0, 2.0, 3.0])


def test_stored_labels_without_forces_are_energies_alone(tmp_path):
    with LabelWriter(
        tmp_path / "labels.db", {"level": "toy", "engine": "toy", "plan": ""}, notes={}, energies_only=True
    ) as w:
        water = w.add_molecule("water", np.array([8, 1, 1]), charge=0, multiplicity=1, smiles="O")
        w.add_task("one", water, [Frame(np.eye(3), "given", "a", energy=-1.0)], outcome=LABELLED, seconds=0.0)
    with LabelStore(tmp_path / "labels.db") as store:
        (molecule,) = load(store).molecules
    assert molecule.has_energy.tolist() == [True]
    assert molecule.has_forces.tolist() == [False]


def test_energies_of_two_sources_are_in_one_unit():
    near, far = (load(Source(energy=np.arange(4.0) + shift)) for shift in (29.0, 31.0))
    assert len(merge([load(Source()), near])) == 8
    with pytest.raises(InputError, match=r"'water' at the level 'toy'.*about 1\.5 eV in one source and 32\.5 eV"):
        merge([load(Source()), far])
    relative = load(Source(is_relative=True))
    assert len(merge([relative, load(Source(is_relative=True, energy=np.arange(4.0) + 31.0))])) == 8
