from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from pesx.engines import XtbEngine
from pesx.landscape.records import Quenches, StoredMinima, Verifications
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.verification.relaxation import Relaxation
from pesx.verification.verify import open_minima, summarise, verify


@pytest.fixture
def folder(tmp_path, peroxides):
    """A run with three structures of hydrogen peroxide for minima."""
    molecule, starts = peroxides
    nothing = torch.full((3,), torch.nan, dtype=torch.float64)
    energy = torch.tensor([0.0, 0.0, 0.05], dtype=torch.float64)
    count = torch.arange(3)
    zero = np.zeros(3, dtype=int)
    names = ("walker", "hop", "outcome", "energy", "n_evaluations", "started_from", "is_accepted")
    with RunStore.create(tmp_path / "run", molecule) as store, store.transaction():
        store.add_minima(StoredMinima(starts, energy, nothing, nothing, nothing, count, count, ["|"] * 3))
        moves = np.array(["seed"] * 3)
        store.add_quenches(Quenches(**dict.fromkeys(names, zero), move=moves, minimum=np.arange(3)))
    return tmp_path / "run"


def test_what_was_done_is_kept_and_not_done_again(folder):
    engine = XtbEngine()
    done = []

    def stop_after_one(number):
        done.append(number)
        raise KeyboardInterrupt

    with RunStore.resume(folder) as store, pytest.raises(KeyboardInterrupt):
        verify(store, [2, 0], engine, on_done=stop_after_one)
    assert done == [2]
    with RunStore.resume(folder) as store:
        assert open_minima(store, [2, 0, 1], engine.level) == [0, 1]
        assert open_minima(store, [2], "another level") == [2]
        assert verify(store, [0, 1], engine, settings=Relaxation(fmax=0.01)) == {}
        verified, energy = store.verifications(), store.minima().energy.numpy()
        assert store.check() == []
    assert verified.minimum.tolist() == [0, 1, 2]
    assert (verified.outcome == int(Outcome.CONVERGED)).all()
    # Mirror images move equally far.
    assert verified.rmsd[0] == pytest.approx(verified.rmsd[1], abs=1e-2)
    assert verified.unrelaxed_energy[0] == pytest.approx(verified.unrelaxed_energy[1], abs=1e-5)
    assert (verified.energy <= verified.unrelaxed_energy).all()
    summary = summarise(verified, energy, engine.level)
    assert summary.all_atoms.total == 3
    assert summary.heavy_atoms.count == 3
    assert summary.n_evaluations == verified.n_evaluations.sum() > 3
    assert summary.error_unrelaxed > 0
    assert summarise(verified, energy, engine.level, rows=verified.minimum == 1).error_unrelaxed is None


def table(**changes):
    n = 4
    columns = {field.name: np.zeros(n) for field in fields(Verifications)}
    columns |= {"minimum": np.arange(n), "level": np.array(["a"] * n, dtype=object), "positions": torch.zeros(n, 1, 3)}
    columns["outcome"] = np.full(n, int(Outcome.CONVERGED))
    return replace(Verifications(**columns), **changes)


def test_everything_is_counted_once():
    outcome = np.array([Outcome.CONVERGED, Outcome.CONVERGED, Outcome.OUT_OF_STEPS, Outcome.AMIDE_FLIPPED]).astype(int)
    moved = np.array([0.1, 0.5, np.nan, np.nan])
    summary = summarise(table(outcome=outcome, rmsd=moved, heavy_rmsd=moved / 2), np.zeros(4), "a")
    assert (summary.all_atoms.count, summary.heavy_atoms.count) == (1, 2)
    assert (summary.not_converged, summary.changed_chemistry) == (1, 1)
    assert summary.median_rmsd == pytest.approx(0.3)
    assert summary.as_json()["all_atoms"]["total"] == 4


def test_another_level_is_not_looked_at():
    summary = summarise(table(), np.zeros(4), "b")
    assert summary.all_atoms.total == 0
    assert summary.median_rmsd is summary.error_kept is None
