from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import InputError
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


def test_levels_are_not_mixed():
    one = load(Source())
    with pytest.raises(InputError, match="gfn2, toy"):
        merge([one, replace(one, level="gfn2")])


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
