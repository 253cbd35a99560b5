from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.connect.connecting import Connecting
from pesx.connect.jobs import Wanted
from pesx.connect.ledger import FoundMinimum, Ledger
from pesx.connect.parts import Parts, Sizes
from pesx.connect.presets import surface_parts
from pesx.landscape.rules import surface_archive
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.potentials.muller_brown import MullerBrown
from pesx.state import Evaluation

MINIMA = [(-0.558224, 1.441726), (0.623499, 0.028038), (-0.050011, 0.466694)]
"""Müller and Brown 1979, doi:10.1007/BF00547608."""


class Broken:
    """The surface, with a hole of NaN where x is above a limit."""

    def __init__(self, limit: float) -> None:
        self._surface, self._limit = MullerBrown(), limit

    def __call__(self, positions: torch.Tensor) -> Evaluation:
        now = self._surface(positions)
        is_hole = positions[:, 0, 0] > self._limit
        return Evaluation(
            torch.where(is_hole, torch.nan, now.energy), torch.where(is_hole[:, None, None], torch.nan, now.forces)
        )


@pytest.fixture
def store(tmp_path: Path):
    """A run with the three minima of the surface."""
    with RunStore.create(tmp_path / "run", read_molecule("[Ar]"), {"energy_unit": "epsilon"}) as store:
        ledger = Ledger(store)
        for x, y in MINIMA:
            place = torch.tensor([[x, y, 0.0]], dtype=torch.float64)
            energy = float(MullerBrown()(place[None]).energy)
            ledger.add_minimum(FoundMinimum(place, energy, 1e-8, 1.0, 0.0, 1, ""))
        ledger.commit()
        yield store


def connecting(store: RunStore, parts: Parts, **sizes: int) -> Connecting:
    minima, states = surface_archive(), surface_archive()
    ledger = Ledger(store)
    ledger.restore(minima, states)
    return Connecting(parts, Sizes(**sizes), minima=minima, transition_states=states, ledger=ledger)


def once(*pairs: tuple[int, int]):
    rounds = iter([[Wanted(*pair, "near") for pair in pairs]])
    return lambda: next(rounds, [])


def test_a_small_batch_finds_what_a_large_one_does(store: RunStore):
    energies = []
    for n in (1, 16):
        search = connecting(store, surface_parts(MullerBrown()), n_bands=n, n_searches=n)
        search.ledger.commit = lambda: None  # type: ignore[method-assign]
        search.run(once((0, 1), (1, 2), (0, 2)))
        energies.append(search.transition_states.energies.sort().values)
    torch.testing.assert_close(*energies, rtol=0, atol=1e-9)
    assert len(energies[0]) == 2


def test_a_hole_in_the_surface_spoils_its_own_pair_alone(store: RunStore):
    search = connecting(store, surface_parts(Broken(0.5)))
    search.run(once((1, 2), (0, 2)))
    assert store.connections().outcome.tolist().count(int(Outcome.NON_FINITE)) == 1
    assert store.transition_states().energy.tolist() == pytest.approx([-40.664844], abs=1e-5)


def test_a_pair_without_a_maximum_is_noted(store: RunStore):
    flat = replace(surface_parts(MullerBrown()), path=lambda first, _: torch.stack([first, first, first], dim=1))
    search = connecting(store, flat)
    search.run(once((0, 1)))
    assert store.connections().outcome.tolist() == [Outcome.NO_BARRIER]
    assert store.connections().n_maxima.tolist() == [0]


def test_progress_counts_what_was_done(store: RunStore):
    seen = []
    search = connecting(store, surface_parts(MullerBrown()))
    assert "no pair" in search.run(once((1, 2)), observe=seen.append)
    assert seen[-1].n_pairs == 1
    assert seen[-1].n_evaluations > 0
    assert sum(seen[-1].outcomes.values()) == store.n_searches


def test_maxima_far_above_the_ends_are_not_followed(store: RunStore):
    search = connecting(store, replace(surface_parts(MullerBrown()), highest=1.0))
    search.run(once((0, 1)))
    assert store.connections().n_maxima.tolist() == [0]
    assert store.connections().outcome.tolist() != [Outcome.NO_BARRIER]
    assert store.n_searches == 0


def test_ends_that_are_known_roughly_are_not_polished(store: RunStore):
    parts = surface_parts(MullerBrown())
    costs, ends = [], []
    for rough in (parts.sieve.rough_distance, 1e-12):
        search = connecting(store, replace(parts, sieve=replace(parts.sieve, rough_distance=rough)))
        noted: list[tuple[int, int, int]] = []
        search.ledger.add_search = lambda *_, n_evaluations, new=None, noted=noted, **__: noted.append(  # type: ignore
            (n_evaluations, new.first, new.second)
        )
        search.ledger.commit = lambda: None  # type: ignore[method-assign]
        search.run(once((1, 2)))
        costs.append(noted[0][0])
        ends.append(set(noted[0][1:]))
    assert costs[0] < costs[1]
    assert ends == [{1, 2}] * 2


def test_searches_around_a_minimum_start_as_far_away_as_they_may(store: RunStore):
    search = connecting(store, replace(surface_parts(MullerBrown()), kick=0.5, reach=4.0))
    search._start_around(Wanted(0, 0, "around", 60))
    starts = torch.stack([one.start for one in search._searches.values()]).double()
    away = (starts - search.minima.positions[0]).flatten(1).norm(dim=1)
    assert ((away > 0.499) & (away < 2.001)).all()
    assert away.min() < 0.8
    assert away.max() > 1.7
