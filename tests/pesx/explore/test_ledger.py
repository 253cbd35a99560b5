from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.errors import RunFolderError
from pesx.explore.ledger import Ledger
from pesx.explore.walkers import Walkers
from pesx.identity.cluster import ClusterIdentity
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.state import Found, Minima

MOLECULE = read_molecule("LJ4")
OUTCOMES = [Outcome.CONVERGED, Outcome.FRAGMENTED, Outcome.CONVERGED, Outcome.OUT_OF_STEPS, Outcome.CONVERGED]
FOUND = Found(torch.tensor([0, -1, 0, -1, 1]), torch.tensor([True, False, False, False, True]))
STATE = {"clock": torch.tensor([1.5, 2.5]), "count": torch.tensor(3)}


def archive() -> MinimaArchive:
    return MinimaArchive(ClusterIdentity(MOLECULE.numbers), energy_tolerance=1e-6, distance_tolerance=1e-2)


def ends() -> Minima:
    n = len(OUTCOMES)
    noise = torch.randn(n, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return Minima(
        positions=MOLECULE.positions + 0.1 * noise,
        energy=torch.linspace(-6, -5, n, dtype=torch.float64),
        fmax=torch.full((n,), 1e-8, dtype=torch.float64),
        outcome=torch.tensor([int(outcome) for outcome in OUTCOMES]),
        n_evaluations=torch.arange(10, 10 + n),
    )


def record(ledger: Ledger) -> None:
    n = len(OUTCOMES)
    ledger.record(
        walkers=torch.arange(n),
        before=Walkers.start(ends().positions, kT=torch.ones(n), threshold=1.0),
        moves=["seed", "escape", "resite", "displace", "escape"],
        minima=ends(),
        found=FOUND,
        accepted=torch.tensor([True, False, True, False, True]),
        keys=[""] * n,
        lowest=torch.linspace(1, 2, n, dtype=torch.float64),
        log_product=torch.full((n,), torch.nan, dtype=torch.float64),
    )


def test_what_was_noted_is_in_the_store_after_the_commit_and_not_before(tmp_path: Path) -> None:
    with RunStore.create(tmp_path, MOLECULE) as store:
        ledger = Ledger(store)
        record(ledger)
        assert (store.n_quenches, store.state()) == (0, {})
        ledger.commit(STATE)
        quenches, minima, violations = store.quenches(), store.minima(), store.violations()
        assert quenches.outcome.tolist() == OUTCOMES
        assert quenches.minimum.tolist() == FOUND.index.tolist()
        assert quenches.n_evaluations.tolist() == ends().n_evaluations.tolist()
        assert minima.quench.tolist() == [0, 4]
        assert torch.equal(minima.positions, ends().positions[[0, 4]])
        assert minima.visits.tolist() == [2, 1]
        assert violations.quench.tolist() == [1]
        assert torch.equal(violations.positions, ends().positions[[1]])
        assert store.check() == []


def test_a_commit_writes_everything_once(tmp_path: Path) -> None:
    with RunStore.create(tmp_path, MOLECULE) as store:
        ledger = Ledger(store)
        record(ledger)
        ledger.commit(STATE)
        ledger.commit(STATE)
        assert store.n_quenches == ledger.n_quenches == len(OUTCOMES)


def test_counts_go_on_where_they_stopped(tmp_path: Path) -> None:
    with RunStore.create(tmp_path, MOLECULE) as store:
        before = Ledger(store)
        assert before.restore(archive()) == {}
        record(before)
        before.commit(STATE)
    with RunStore.resume(tmp_path) as store:
        after, filled = Ledger(store), archive()
        saved = after.restore(filled)
    assert {name: tensor.tolist() for name, tensor in saved.items()} == {"clock": [1.5, 2.5], "count": 3}
    for name in ("n_quenches", "n_since_new", "outcomes"):
        assert getattr(after, name) == getattr(before, name)
    assert after.n_since_new == 0
    assert filled.visits.tolist() == [2, 1]
    np.testing.assert_array_equal(filled.energies, ends().energy[[0, 4]])


def test_a_commit_that_fails_keeps_what_was_noted(tmp_path: Path) -> None:
    with RunStore.create(tmp_path, MOLECULE) as store:
        ledger = Ledger(store)
        record(ledger)
        store._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(RunFolderError, match="full"):
            ledger.commit({"blob": torch.zeros(100_000)})
        store._connection.execute("PRAGMA max_page_count = 1000000")
        ledger.commit(STATE)
        assert store.n_quenches == len(OUTCOMES)


def test_a_commit_is_due_after_a_while_and_later_where_writing_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("pesx.explore.ledger.time.monotonic", lambda: now[0])
    with RunStore.create(tmp_path, MOLECULE) as store:
        ledger = Ledger(store)
        ledger.commit(STATE)
        now[0] += 0.5
        assert not ledger.is_due(1.0)
        assert ledger.is_due(0.0)
        now[0] += 0.6
        assert ledger.is_due(1.0)

        def slow(_: dict[str, bytes]) -> None:
            now[0] += 0.3

        monkeypatch.setattr(store, "save_state", slow)
        ledger.commit(STATE)
        now[0] += 5.9
        assert not ledger.is_due(1.0)
        now[0] += 0.2
        assert ledger.is_due(1.0)
