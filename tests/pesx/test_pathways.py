import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.connect.rounds import RoundSettings
from pesx.errors import InputError
from pesx.landscape.network import Network
from pesx.landscape.store import RunStore
from pesx.landscape.tree import Tree
from pesx.pathways import ConnectSettings, Pathways
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.modes import modes
from pesx.run import ExploreSettings, Run

ALONG_BANDS = ConnectSettings(pairs=RoundSettings(n_around=0))


@pytest.fixture(scope="module")
def lj7(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the four minima of seven Lennard-Jones atoms, joined."""
    folder = tmp_path_factory.mktemp("lj7") / "run"
    settings = ExploreSettings(
        molecule="LJ7", potential="lennard-jones", mirror="merge", n_minima=4, max_quenches=400, seed=1
    )
    with Run.start(settings, folder) as run:
        run.go()
    with Pathways.open(folder, ALONG_BANDS) as pathways:
        assert "no pair" in pathways.go()
    return folder


def test_the_tree_of_seven_atoms_is_the_known_one(lj7: Path):
    """Join energies from the enumeration by eigenvector-following in float64."""
    with RunStore.read(lj7) as store:
        network = Network.of(store)
        assert store.check() == []
    tree = Tree.of(network)
    order = np.argsort(network.minima.energy)
    np.testing.assert_allclose(
        network.minima.energy[order], [-16.505384, -15.935043, -15.593211, -15.533060], atol=1e-6
    )
    joins = [float(tree.join_energy(int(order[0]), int(row))) for row in order[1:]]
    np.testing.assert_allclose(joins, [-15.444734, -15.319864, -15.283421], atol=1e-6)


def test_every_transition_state_has_one_negative_mode_and_joins_what_it_says(lj7: Path):
    potential = LennardJones()
    with RunStore.read(lj7) as store:
        found, minima = store.transition_states(), store.minima()
    looked_at = modes(potential, found.positions)
    assert looked_at.n_negative.tolist() == [1] * len(found)
    torch.testing.assert_close(looked_at.lowest, found.curvature, rtol=1e-4, atol=1e-4)
    ends = torch.stack([minima.energy[found.first], minima.energy[found.second]])
    assert (found.energy > ends).all()
    assert found.fmax.max() < 1e-7


def test_what_was_joined_is_not_tried_again(lj7: Path, tmp_path: Path):
    folder = tmp_path / "again"
    shutil.copytree(lj7, folder)
    with Pathways.open(folder, ALONG_BANDS) as pathways:
        before = pathways.store.n_connections, pathways.store.n_transition_states
        pathways.go()
        assert (pathways.store.n_connections, pathways.store.n_transition_states) == before
        assert pathways.connecting.progress().n_evaluations == 0


def test_an_interrupted_connection_is_tried_again(lj7: Path, tmp_path: Path):
    folder = tmp_path / "cut"
    shutil.copytree(lj7, folder)
    with RunStore.resume(folder) as store:
        n_before, n_states = store.n_connections, store.n_transition_states
        store._connection.execute("UPDATE connections SET n_maxima = n_maxima + 1")
        store._connection.execute("DELETE FROM transition_states WHERE id > 0")
        store._connection.execute("UPDATE searches SET transition_state = NULL WHERE transition_state > 0")
    with Pathways.open(folder, ALONG_BANDS) as pathways:
        pathways.go()
        assert pathways.store.n_connections > n_before
        assert pathways.store.n_transition_states >= n_states - 1
        assert len(set(Network.of(pathways.store).components().tolist())) == 1


def test_the_saddles_of_muller_and_brown(tmp_path: Path):
    """Müller and Brown 1979, doi:10.1007/BF00547608."""
    settings = ExploreSettings(molecule="[Ar]", potential="muller-brown", n_minima=3, max_quenches=100)
    with Run.start(settings, tmp_path / "run") as run:
        run.go()
    with Pathways.open(tmp_path / "run") as pathways:
        pathways.go()
        found = pathways.store.transition_states()
    order = found.energy.argsort()
    np.testing.assert_allclose(found.energy[order], [-72.248940, -40.664844], atol=1e-5)
    places = [[0.212487, 0.292988], [-0.822002, 0.624313]]
    np.testing.assert_allclose(found.positions[order, 0, :2], places, atol=1e-5)


def test_limits_end_it(lj7: Path, tmp_path: Path):
    folder = tmp_path / "short"
    shutil.copytree(lj7, folder)
    settings = ConnectSettings(pairs=RoundSettings(n_around=50), max_evaluations=1)
    with Pathways.open(folder, settings) as pathways:
        assert pathways.go() == "the force evaluations allowed are spent"


def test_a_run_without_minima_is_refused(tmp_path: Path, lj7: Path):
    with RunStore.read(lj7) as store:
        molecule = store.molecule
    RunStore.create(tmp_path / "empty", molecule, {"energy_unit": "epsilon"}).close()
    shutil.copy(lj7 / "config.toml", tmp_path / "empty")
    with pytest.raises(InputError, match="came one without"):
        Pathways.open(tmp_path / "empty")


@pytest.mark.slow
def test_every_transition_state_of_seven_atoms_is_found(lj7: Path, tmp_path: Path):
    """Energies and numbers of minima, lowest first, from eigenvector-following in float64 from random starts."""
    known = [
        (-15.444734, 1, 2), (-15.319864, 2, 3), (-15.283421, 2, 4), (-15.097846, 2, 2), (-15.033384, 1, 3),
        (-15.026438, 1, 4), (-14.816400, 4, 4), (-14.811130, 4, 4), (-14.596946, 1, 4), (-14.568061, 3, 3),
        (-14.548573, 4, 4), (-12.548938, 3, 3),
    ]  # fmt: skip
    folder = tmp_path / "run"
    shutil.copytree(lj7, folder)
    with Pathways.open(folder) as pathways:
        pathways.go()
        found, minima = pathways.store.transition_states(), pathways.store.minima()
    rank = minima.energy.argsort().argsort() + 1
    order = found.energy.argsort()
    ends = torch.stack([rank[found.first], rank[found.second]], dim=1).sort(dim=1).values[order].tolist()
    assert ends == [[first, second] for _, first, second in known]
    np.testing.assert_allclose(found.energy[order], [energy for energy, _, _ in known], atol=1e-6)
