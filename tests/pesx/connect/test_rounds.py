from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.connect.ledger import FoundMinimum, FoundTransitionState, Ledger
from pesx.connect.rounds import AROUND, Rounds, RoundSettings
from pesx.errors import ConfigError
from pesx.landscape.rules import cluster_archive
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome

PLACES = torch.tensor([[[0.0, 0, 0], [1.0 + 0.1 * row, 0, 0], [0.0, 1.0 + row, 0]] for row in range(4)]).double()


@pytest.fixture
def store(tmp_path: Path):
    """A run with four minima, the first two of which are joined."""
    with RunStore.create(tmp_path / "run", read_molecule("LJ3"), {"energy_unit": "epsilon"}) as store:
        ledger = Ledger(store)
        for row in range(4):
            ledger.add_minimum(FoundMinimum(PLACES[row], float(row), 1e-8, 0.5, float("nan"), 40, ""))
        number = ledger.add_connection((0, 1), "near", outcome=Outcome.CONVERGED, n_maxima=1, n_evaluations=1)
        joined = FoundTransitionState(PLACES[0] + 1.0, 9.0, 1e-8, -0.5, 1.0, 0, 1, "")
        ledger.add_search(number, outcome=Outcome.CONVERGED, energy=9.0, n_evaluations=1, new=joined)
        ledger.commit()
        yield store


def rounds(store: RunStore, **settings: float) -> Rounds:
    minima, states = (cluster_archive(store.molecule, "merge") for _ in range(2))
    ledger = Ledger(store)
    ledger.restore(minima, states)
    line = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    return Rounds(RoundSettings(**settings), store.quenches(), minima=minima, distances=lambda: line, ledger=ledger)


def pairs(wanted) -> list[tuple[int, int]]:
    return [(one.first, one.second) for one in wanted]


def test_neighbours_come_first_without_what_was_tried(store: RunStore):
    assert pairs(rounds(store, n_neighbours=1)()) == [(1, 2), (2, 3)]


def test_then_what_is_missing_until_no_round_is_left(store: RunStore):
    more = rounds(store, n_neighbours=0, most_rounds=2)
    assert pairs(more()) == [(1, 2), (2, 3)]
    assert more()[0].reason == "missing"
    assert more() == []


def test_minima_above_the_window_are_left_alone(store: RunStore):
    assert pairs(rounds(store, n_neighbours=3, window=2.5)()) == [(0, 2), (1, 2)]


def test_searches_around_minima_are_asked_for_once(store: RunStore):
    wanted = rounds(store, n_neighbours=0, n_around=5)()
    assert pairs(wanted) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert {(one.reason, one.n_searches) for one in wanted} == {(AROUND, 5)}


def test_searches_around_a_minimum_that_were_made_before_count(store: RunStore):
    ledger = Ledger(store)
    for minimum, n_ended in ((1, 3), (2, 5)):
        number = ledger.add_connection((minimum,) * 2, AROUND, outcome=Outcome.CONVERGED, n_maxima=5, n_evaluations=0)
        for _ in range(n_ended):
            ledger.add_search(number, outcome=Outcome.OUT_OF_STEPS, energy=0.0, n_evaluations=1)
    ledger.commit()
    for n_around, left in ((5, {0: 5, 1: 2, 3: 5}), (8, {0: 8, 1: 5, 2: 3, 3: 8})):
        wanted = rounds(store, n_neighbours=0, n_around=n_around)()
        assert {one.first: one.n_searches for one in wanted} == left


def test_a_window_below_nothing_is_refused():
    with pytest.raises(ConfigError, match="window"):
        RoundSettings(window=-1.0)
