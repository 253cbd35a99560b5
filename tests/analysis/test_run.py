import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.analysis import Run
from pesx.errors import RunFolderError
from pesx.landscape.store import Quenches, RunStore, StoredMinima
from pesx.molecule import Molecule

ARGON = Molecule(numbers=torch.tensor([18, 18]), positions=torch.tensor([[0.0, 0, 0], [3.8, 0, 0]]))


def fill(store: RunStore, ends: list[int]) -> None:
    n, n_minima = len(ends), max(ends) + 1
    energy = torch.arange(n_minima, dtype=torch.float64)
    with store.transaction():
        store.add_minima(
            StoredMinima(
                positions=torch.zeros(n_minima, 2, 3, dtype=torch.float64),
                energy=energy,
                fmax=energy,
                lowest_curvature=energy,
                log_product=energy,
                quench=torch.tensor([ends.index(number) for number in range(n_minima)]),
                visits=torch.zeros(n_minima, dtype=torch.int64),
                keys=[""] * n_minima,
            )
        )
        count, end = np.arange(n), np.array(ends)
        store.add_quenches(
            Quenches(
                walker=count,
                hop=count,
                move=np.full(n, "kick"),
                outcome=np.where(end >= 0, 1, 2),
                energy=end.astype(float),
                n_evaluations=np.full(n, 10),
                minimum=end,
                started_from=np.full(n, -1),
                is_accepted=end >= 0,
            )
        )


def test_a_run_is_read_while_it_goes_on(tmp_path: Path):
    with RunStore.create(tmp_path, ARGON, {"model": "abc"}) as store:
        fill(store, [0, 1, -1, 0])
        run = Run(tmp_path)
        (tmp_path / "provenance.json").write_text(json.dumps({"seed": 7}))
        later = Run(tmp_path)
    assert len(run.minima) == len(run.require_minima()) == 2
    assert run.minima.visits.tolist() == [2, 1]
    assert run.quenches.minimum.tolist() == [0, 1, -1, 0]
    assert len(run.violations) == len(run.transition_states) == len(run.connections) == len(run.searches) == 0
    assert len(run.verifications) == 0
    assert run.energy_unit == "eV"
    assert run.name == "Ar2"
    assert run.meta["model"] == "abc"
    assert run.provenance == {}
    assert later.provenance == {"seed": 7}


def test_what_is_not_a_run(tmp_path: Path):
    with pytest.raises(RunFolderError, match="no such folder"):
        Run(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"has no landscape\.db"):
        Run(tmp_path)


def test_an_empty_run_says_so_when_asked_for_minima(tmp_path: Path):
    RunStore.create(tmp_path, ARGON).close()
    run = Run(tmp_path)
    assert len(run.minima) == 0
    with pytest.raises(RunFolderError, match="0 quenches and found none yet"):
        run.require_minima()


@pytest.mark.parametrize(("text", "message"), [("{]", "line 1"), ("[]", "JSON object")])
def test_damaged_provenance(tmp_path: Path, text: str, message: str):
    RunStore.create(tmp_path, ARGON).close()
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        Run(tmp_path)
