import shutil
import sqlite3

import numpy as np
import pytest
import torch

from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.schema import FILE_NAME
from pesx.landscape.store import RunStore
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.thermodynamics.vibrations import KINDS, Motion, Vibrations, compute_vibrations, sound_vibrations

LJ = LennardJones()


def points(moments):
    columns = {f"inertia_{axis + 1}": np.array(moments, dtype=float)[:, axis] for axis in range(3)}
    return StationaryPoints.of(np.zeros(len(moments)), properties=columns)


@pytest.fixture
def forgetful(lj6_folder, tmp_path):
    """A copy of the run that has lost its products of frequencies."""
    folder = shutil.copytree(lj6_folder, tmp_path / "run")
    with sqlite3.connect(folder / FILE_NAME) as raw:
        raw.execute("UPDATE minima SET log_product = NULL")
        raw.execute("UPDATE transition_states SET log_product = NULL WHERE id = 0")
    raw.close()
    return folder


def network_of(folder):
    with RunStore.read(folder) as store:
        return Network.of(store), Vibrations.of(store)


def test_bent_and_linear_structures():
    assert Motion().n_modes(points([[1, 2, 3], [1e-9, 2, 2]]), 5).tolist() == [9, 10]
    assert Motion().n_modes(points([[0, 0, 0]]), 1).tolist() == [0]
    plane = Motion(coordinates=torch.tensor([0, 1]), is_free=False)
    assert plane.n_modes(points([[0, 0, 0]] * 2), 1).tolist() == [2, 2]


def test_what_is_not_known(forgetful):
    network, none = network_of(forgetful)
    some = none.unknown(network, every=False)
    assert (some["minima"].tolist(), some["transition_states"].tolist()) == ([0, 1], [0])
    each = none.unknown(network, every=True)
    assert len(each["transition_states"]) == len(network.transition_states)


def test_what_is_computed_is_stored_and_says_the_same_as_the_search(lj6_folder, forgetful):
    network, none = network_of(forgetful)
    done = []
    asked = none.unknown(network, every=True)
    found = compute_vibrations(forgetful, LJ, asked, motion=Motion(), on_done=done.append)
    assert sum(done) == sum(len(numbers) for numbers in asked.values())
    assert found.is_stored
    again, stored = network_of(forgetful)
    for kind in KINDS:
        assert found.unsound[kind] == frozenset()
        assert stored.eigenvalues[kind].keys() == found.eigenvalues[kind].keys()
        assert all((stored.eigenvalues[kind][n] == values).all() for n, values in found.eigenvalues[kind].items())
    assert all(len(values) == 12 for values in found.eigenvalues["minima"].values())
    assert all(len(values) == 11 for values in found.eigenvalues["transition_states"].values())
    assert not stored.unknown(again, every=True)["minima"].size
    before = network_of(lj6_folder)[0]
    for mine, others in ((again.minima, before.minima), (again.transition_states, before.transition_states)):
        assert mine.log_product == pytest.approx(others.log_product, abs=1e-6)


def test_another_writer_keeps_it_from_being_stored(forgetful):
    network, none = network_of(forgetful)
    with RunStore.resume(forgetful):
        found = compute_vibrations(forgetful, LJ, none.unknown(network, every=False), motion=Motion())
    assert not found.is_stored
    assert sorted(found.eigenvalues["minima"]) == [0, 1]
    assert network_of(forgetful)[1].eigenvalues["minima"] == {}


def test_points_with_other_signs_are_told_apart(lj6_folder):
    with RunStore.read(lj6_folder) as store:
        minima, states = store.minima().positions, store.transition_states().positions
    both = torch.cat((minima[:1], states[:1]))
    kinds = [[row is not None for row in sound_vibrations(LJ, both, Motion(), n_negative=n)] for n in range(2)]
    assert kinds == [[True, False], [False, True]]
    assert sound_vibrations(LJ, torch.zeros(1, 6, 3).double(), Motion(), n_negative=0) == [None]


def test_a_surface_in_the_plane():
    motion = Motion(coordinates=torch.tensor([0, 1]), is_free=False)
    lowest = torch.tensor([[[-0.55822363, 1.44172584, 0.0]]]).double()
    (found,) = sound_vibrations(MullerBrown(), lowest, motion, n_negative=0)
    second = MullerBrown()
    step = 1e-4
    shifts = torch.tensor([[step, 0.0, 0.0], [0.0, step, 0.0]]).double()
    rows = [(second(lowest - shift).forces - second(lowest + shift).forces)[0, 0, :2] / (2 * step) for shift in shifts]
    assert found.tolist() == pytest.approx(torch.linalg.eigvalsh(torch.stack(rows)).tolist(), rel=1e-4)
