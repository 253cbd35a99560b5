from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.connect.connecting import Connecting
from pesx.connect.jobs import Wanted
from pesx.connect.ledger import FoundMinimum, Ledger
from pesx.connect.parts import Parts, Sizes
from pesx.connect.presets import cluster_parts, surface_parts
from pesx.landscape.rules import cluster_archive, surface_archive
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.relax.quench import Convergence, quench
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


def test_searches_around_a_minimum_are_charged_with_their_starts(store: RunStore):
    seen = []
    parts = surface_parts(MullerBrown())

    def around(minimum: torch.Tensor, n: int, generator: torch.Generator) -> tuple[torch.Tensor, int]:
        return parts.around(minimum, n, generator)[0], 1000

    for start in (parts.around, around):
        search = connecting(store, replace(parts, around=start))  # type: ignore[arg-type]
        search.ledger.commit = lambda: None  # type: ignore[method-assign]
        rounds = iter([[Wanted(0, 0, "around", 4)]])
        search.run(lambda rounds=rounds: next(rounds, []))  # type: ignore[misc]
        seen.append(search.progress().n_evaluations)
    assert seen[1] == seen[0] + 1000


def test_a_hessian_worked_out_anew_rescues_searches(tmp_path: Path):
    """From far away, what is brought up to date on the way leads astray; steps that are allowed are the same."""
    molecule, counts = read_molecule("LJ6"), []
    potential = LennardJones()
    with RunStore.create(tmp_path / "run", molecule, {"energy_unit": "epsilon"}) as store:
        octahedron = 2.0 ** (1 / 6) / 2**0.5 * torch.cat([torch.eye(3), -torch.eye(3)]).double()
        for renew in (40, 400):
            parts = replace(cluster_parts(potential, molecule, mirror="merge", energy_window=float("inf")), renew=renew)
            minima, states = (cluster_archive(molecule, "merge") for _ in range(2))
            ledger = Ledger(store)
            search = Connecting(parts, Sizes(), minima=minima, transition_states=states, ledger=ledger)
            end = quench(parts.relaxation.polish, potential, octahedron[None], convergence=Convergence(fmax=1e-8))
            minima.add(end, parts.sieve.guard.keys(end.positions))
            ledger.commit = lambda: None  # type: ignore[method-assign]
            rounds = iter([[Wanted(0, 0, "around", 60)]])
            search.run(lambda rounds=rounds: next(rounds, []))  # type: ignore[misc]
            counts.append(search.progress().outcomes[Outcome.CONVERGED])
    assert counts[0] > 1.2 * counts[1]
