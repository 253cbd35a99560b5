from pathlib import Path

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.connect.jobs import Search
from pesx.connect.judge import Judge
from pesx.connect.ledger import FoundMinimum, Ledger
from pesx.connect.presets import surface_parts
from pesx.landscape.rules import surface_archive
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.potentials.muller_brown import MullerBrown
from pesx.saddles.search import Saddles
from pesx.state import Minima

LOWEST, NEXT, SADDLE = (-0.558224, 1.441726), (-0.050011, 0.466694), (-0.822002, 0.624313)
"""Müller and Brown 1979, doi:10.1007/BF00547608."""


@pytest.fixture
def judge(tmp_path: Path):
    """Decides for a run that knows the lowest minimum of the surface."""
    with RunStore.create(tmp_path / "run", read_molecule("[Ar]"), {"energy_unit": "epsilon"}) as store:
        ledger = Ledger(store)
        minima, states = surface_archive(), surface_archive()
        known = end(LOWEST)
        minima.add(known, [""])
        ledger.add_minimum(FoundMinimum(known.positions[0], float(known.energy), 0.0, 1.0, 0.0, 20, ""))
        ledger.add_connection((0, 0), "around", outcome=Outcome.CONVERGED, n_maxima=9, n_evaluations=0)
        yield Judge(surface_parts(MullerBrown()), minima=minima, transition_states=states, ledger=ledger), ledger, store


def place(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[[x, y, 0.0]]], dtype=torch.float64)


def end(at: tuple[float, float], outcome: Outcome = Outcome.CONVERGED) -> Minima:
    positions = place(*at)
    energy = MullerBrown()(positions).energy
    code, spent = torch.tensor([int(outcome)]), torch.tensor([20])
    return Minima(positions, energy, torch.zeros_like(energy), code, spent)


def search(*ends: Minima, energy: float = -40.664844) -> Search:
    nothing = place(0.0, 0.0)[0]
    one = torch.ones(1, dtype=torch.float64)
    code = torch.ones(1, dtype=torch.long)
    found = Saddles(place(*SADDLE), energy * one, 0.0 * one, -748.9 * one, one, place(1.0, 0.0), code, code)
    return Search(0, nothing, nothing, (nothing, nothing), saddle=found, ends=dict(enumerate(ends)))


def test_an_end_that_is_new_is_added_and_joined(judge):
    decide, ledger, store = judge
    decide.settle(search(end(LOWEST), end(NEXT)))
    ledger.commit()
    assert store.n_minima == 2
    found = store.transition_states()
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
    assert store.searches().outcome.tolist() == [Outcome.CONVERGED]


def test_the_same_transition_state_is_stored_once(judge):
    decide, ledger, store = judge
    for _ in range(2):
        decide.settle(search(end(LOWEST), end(NEXT)))
    ledger.commit()
    assert (store.n_transition_states, store.n_minima) == (1, 2)
    assert store.searches().transition_state.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("ends", "energy", "outcome"),
    [
        ((end(LOWEST), end(NEXT, Outcome.OUT_OF_STEPS)), -40.0, Outcome.OUT_OF_STEPS),
        ((end(LOWEST), end(SADDLE)), -40.0, Outcome.WRONG_INDEX),
        ((end(LOWEST), end(NEXT)), -100.0, Outcome.BELOW_MINIMUM),
    ],
)
def test_what_is_no_transition_state_is_noted_with_its_reason(judge, ends, energy: float, outcome: Outcome):
    decide, ledger, store = judge
    decide.settle(search(*ends, energy=energy))
    ledger.commit()
    assert store.n_transition_states == 0
    assert store.searches().outcome.tolist() == [outcome]
    assert decide.outcomes == {outcome: 1}


def test_a_rearrangement_of_one_minimum_is_kept(judge):
    decide, ledger, store = judge
    decide.settle(search(end(LOWEST), end(LOWEST)))
    ledger.commit()
    found = store.transition_states()
    assert (found.first.tolist(), found.second.tolist()) == ([0], [0])
