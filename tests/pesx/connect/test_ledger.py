from pathlib import Path

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.connect.ledger import DESCENT, FoundMinimum, FoundTransitionState, Ledger
from pesx.errors import InputError
from pesx.landscape.rules import cluster_archive
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome

TRIANGLE = torch.tensor([[0.0, 0.0, 0.0], [1.1, 0.0, 0.0], [0.5, 0.9, 0.0]], dtype=torch.float64)


@pytest.fixture
def store(tmp_path: Path):
    """An empty run of three atoms."""
    with RunStore.create(tmp_path / "run", read_molecule("LJ3"), {"energy_unit": "epsilon"}) as store:
        yield store


def minimum(energy: float) -> FoundMinimum:
    return FoundMinimum(energy * TRIANGLE, energy, 1e-8, 0.5, float("nan"), 40, "")


def state(energy: float, first: int, second: int) -> FoundTransitionState:
    return FoundTransitionState(energy * TRIANGLE, energy, 1e-8, -0.5, 1.0, first, second, "")


def filled(store: RunStore) -> Ledger:
    ledger = Ledger(store)
    for energy in (-3.0, -2.0):
        ledger.add_minimum(minimum(energy))
    number = ledger.add_connection((1, 0), "near", outcome=Outcome.CONVERGED, n_maxima=2, n_evaluations=90)
    ledger.add_search(number, outcome=Outcome.CONVERGED, energy=-1.0, n_evaluations=60, new=state(-1.0, 0, 1))
    ledger.commit()
    return ledger


def test_what_is_noted_is_in_the_run_after_a_commit(store: RunStore):
    filled(store)
    assert (store.n_minima, store.n_connections, store.n_searches, store.n_transition_states) == (2, 1, 1, 1)
    assert store.minima().visits.tolist() == [0, 0]
    assert set(store.quenches().move.tolist()) == {DESCENT}
    assert store.check() == []


def test_a_pair_counts_as_tried_when_all_its_searches_have_ended(store: RunStore):
    ledger = filled(store)
    assert ledger.tried() == set()
    ledger.add_search(0, outcome=Outcome.CONVERGED, energy=-1.0, n_evaluations=50, known=0)
    ledger.commit()
    assert ledger.tried() == {(0, 1)}
    assert ledger.joined() == {(0, 1)}


def test_archives_are_filled_with_what_the_run_holds(store: RunStore):
    filled(store)
    minima, states = (cluster_archive(store.molecule, "merge") for _ in range(2))
    Ledger(store).restore(minima, states)
    assert minima.energies.tolist() == [-3.0, -2.0]
    assert states.energies.tolist() == [-1.0]


def test_numbers_go_on_in_another_ledger(store: RunStore):
    filled(store)
    ledger = Ledger(store)
    number = ledger.add_connection((0, 1), "hop", outcome=Outcome.NO_BARRIER, n_maxima=0, n_evaluations=9)
    assert number == 1
    ledger.commit()
    assert ledger.tried() == {(0, 1)}
    assert store.connections().reason.tolist() == ["near", "hop"]


def test_a_commit_that_fails_leaves_what_was_there(store: RunStore):
    ledger = filled(store)
    ledger.add_search(0, outcome=Outcome.CONVERGED, energy=0.0, n_evaluations=1, new=state(0.0, 0, 7))
    with pytest.raises(InputError, match="every minimum named"):
        ledger.commit()
    assert (store.n_searches, store.n_transition_states) == (1, 1)
