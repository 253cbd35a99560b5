import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pesx.engines import AseEngine, XtbEngine
from pesx.errors import CheckpointError, ConfigError, InputError
from pesx.labelling import LabelStore, MoleculeRow, Plan, label, label_geometries
from pesx.labelling.plan import Molecules
from pesx.labelling.store import LabelWriter
from pesx.labelling.tasks import sampling_tasks
from pesx.so3krates.checkpoint import PACKAGED

PLAN = Plan((Molecules(150, smiles={"methanol": "CO"}),), batch=2, mix={"scanned": 0.5, "embedded": 0.5})
FEW = replace(PLAN, molecules=(Molecules(8, smiles={"methanol": "CO"}),))

_RUN = """
import sys
from pesx.labelling import Plan, label
from pesx.labelling.plan import Molecules
if __name__ == "__main__":
    plan = Plan((Molecules(150, smiles={"methanol": "CO"}),), batch=2, mix={"scanned": 0.5, "embedded": 0.5})
    label(plan, sys.argv[1])
"""


def _done(path: Path) -> int:
    with suppress(InputError), LabelStore(path) as store:
        return sum(len(store.frames(molecule.id)["energy"]) for molecule in store.molecules())
    return 0


def _read(path: Path) -> list[tuple[MoleculeRow, dict[str, Any]]]:
    with LabelStore(path) as store:
        return [(molecule, store.frames(molecule.id)) for molecule in store.molecules()]


def test_a_killed_run_goes_on_and_nothing_is_done_twice(tmp_path: Path) -> None:
    script, path = tmp_path / "run.py", tmp_path / "killed.db"
    script.write_text(_RUN)
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen([sys.executable, str(script), str(path)], env={**os.environ, "PYTHONPATH": root})
    while _done(path) < 10 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 10 <= _done(path) < 140
    with LabelWriter(path, {}, notes={}) as writer:
        done_before = writer.done()

    resumed = label(PLAN, path)
    assert resumed.n_done == sum(task.key not in done_before for task in sampling_tasks(PLAN)) > 0
    straight = {
        frame.trajectory: frame
        for task in sampling_tasks(PLAN)
        for frame in task.run(XtbEngine())
        if frame.outcome == "ok"
    }
    ((_, frames),) = _read(path)
    assert sorted(frames["trajectory"]) == sorted(straight)
    for trajectory, positions, energy in zip(
        *(frames[key] for key in ("trajectory", "positions", "energy")), strict=True
    ):
        np.testing.assert_array_equal(positions, straight[trajectory].positions)
        assert energy == pytest.approx(straight[trajectory].energy, abs=1e-9)
    assert label(PLAN, path).n_done == 0


def test_two_workers_give_the_labels_of_one(tmp_path: Path) -> None:
    for n_workers in (1, 2):
        label(FEW, tmp_path / f"{n_workers}.db", n_workers=n_workers)
    frames = [_read(tmp_path / f"{n_workers}.db")[0][1] for n_workers in (1, 2)]
    first, second = (one["energy"][np.argsort(one["trajectory"])] for one in frames)
    np.testing.assert_array_equal(first, second)


def test_the_store_says_how_it_was_made_and_the_table_what_it_holds(tmp_path: Path) -> None:
    plan = replace(FEW, force_limit=0.3, mix={"distorted": 1.0})
    out = StringIO()
    done = label(plan, tmp_path / "a.db", console=Console(file=out, width=100))
    with LabelStore(tmp_path / "a.db") as store:
        assert store.level == "GFN2-xTB"
        assert store.meta["energy_unit"] == "eV"
        assert json.loads(store.meta["plan"])["force_limit"] == 0.3
        assert "numpy" in json.loads(store.meta["runs"])[0]
    assert done.n_labels + done.refusals().total() == 8
    assert done.refusals()["force above 0.3 eV/angstrom"] > 0
    assert "4/4" in out.getvalue()
    Console(file=out, width=100).print(done.table())
    assert "methanol" in out.getvalue()


def test_another_plan_needs_another_file(tmp_path: Path) -> None:
    label(FEW, tmp_path / "a.db")
    with pytest.raises(InputError, match="same plan"):
        label(replace(FEW, seed=9), tmp_path / "a.db")


def test_geometries_of_a_file(tmp_path: Path) -> None:
    water = "O 0 0 0\nH 0.97 0 0\nH -0.24 0.94 0\n"
    text = (
        f"3\nname=water\n{water}3\nname=water\n{water}"
        "2\ncharge=-1\nO 0 0 0\nH 0 0 0.97\n2\ncharge=1 spin=3\nO 0 0 0\nH 0 0 1.03\n"
    )
    (tmp_path / "minima.extxyz").write_text(text)
    done = label_geometries(tmp_path / "minima.extxyz", XtbEngine(), tmp_path / "a.db")
    assert done.n_labels == 4
    found = {molecule.name: (molecule, frames) for molecule, frames in _read(tmp_path / "a.db")}
    assert [(row.charge, row.multiplicity) for row, _ in found.values()] == [(0, 1), (-1, 1), (1, 3)]
    assert list(found) == ["water", "HO", "HO#2"]
    row, frames = found["water"]
    energy, _ = XtbEngine().evaluate(row.numbers, frames["positions"][0])
    np.testing.assert_allclose(frames["energy"], [energy, energy], atol=1e-9)


def test_energies_alone_and_where_frames_come_from(tmp_path: Path) -> None:
    atoms = (
        "Properties=species:S:1:pos:R:3 name=water source=thermal trajectory=t\nO 0 0 0\nH 0.97 0 0\nH -0.24 0.94 0\n"
    )
    (tmp_path / "some.extxyz").write_text(f"3\n{atoms}" * 7)
    done = label_geometries(tmp_path / "some.extxyz", XtbEngine(), tmp_path / "a.db", energies_only=True, n_threads=2)
    assert (done.n_labels, done.n_done) == (7, 2)
    ((_, frames),) = _read(tmp_path / "a.db")
    assert np.isfinite(frames["energy"]).all()
    assert frames["forces"].mask.all()
    assert set(zip(frames["source"], frames["trajectory"], strict=True)) == {("thermal", "t")}
    with pytest.raises(InputError, match="Choose another file"):
        label_geometries(tmp_path / "some.extxyz", XtbEngine(), tmp_path / "a.db")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.xyz"):
        label_geometries(tmp_path / "nothing.xyz", XtbEngine(), tmp_path / "a.db")


_MOODY = """
import os, pathlib
from ase.calculators.lj import LennardJones


class Moody(LennardJones):
    def calculate(self, atoms=None, *others):
        mood = pathlib.Path(__file__).with_name("mood").read_text()
        if mood == "kill" and len(atoms) == 2:
            os._exit(7)
        if mood == "memory":
            raise MemoryError("too little")
        if mood == "refuse":
            raise RuntimeError("[/no] not at this geometry")
        super().calculate(atoms, *others)
"""


@pytest.fixture
def moody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that says how the calculator of the module beside it shall behave; frames of an atom and of a pair."""
    (tmp_path / "moody_for_tests.py").write_text(_MOODY)
    (tmp_path / "frames.extxyz").write_text("2\nname=pair\nAr 0 0 0\nAr 1.2 0 0\n1\nname=atom\nAr 0 0 0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mood"


def _label_moody() -> tuple[int, int, list[str], list[str]]:
    """Return how many labels there are, how many tasks were done, and which failed for good or for now."""
    done = label_geometries("frames.extxyz", AseEngine("moody_for_tests:Moody"), "a.db")
    Console(file=StringIO()).print(done.table())
    return done.n_labels, done.n_done, [key for key, _ in done.failed], [key for key, _ in done.unfinished]


def test_a_task_whose_worker_died_is_tried_once_more(moody: Path) -> None:
    moody.write_text("kill")
    assert _label_moody() == (1, 1, [], ["pair/given/0000"])
    moody.write_text("good")
    assert _label_moody() == (2, 1, [], [])


def test_a_task_that_kills_its_worker_twice_is_given_up(moody: Path) -> None:
    moody.write_text("kill")
    assert [_label_moody() for _ in range(3)] == [
        (1, 1, [], ["pair/given/0000"]),
        (1, 1, ["pair/given/0000"], []),
        (1, 0, ["pair/given/0000"], []),
    ]


def test_failures_of_the_machine_are_tried_again_and_refusals_are_not(moody: Path) -> None:
    moody.write_text("memory")
    assert _label_moody() == _label_moody() == (0, 0, [], ["pair/given/0000", "atom/given/0000"])
    moody.write_text("refuse")
    assert _label_moody() == (0, 2, [], [])
    moody.write_text("good")
    assert _label_moody() == (0, 0, [], [])


def test_a_wrong_call_ends_the_run_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "frames.extxyz").write_text("1\nname=atom\nAr 0 0 0\n1\nname=radical\nH 0 0 0\n")
    with pytest.raises(InputError, match="no_such_module_anywhere"):
        label_geometries(tmp_path / "frames.extxyz", AseEngine("no_such_module_anywhere:make"), tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()
    with pytest.raises(InputError, match=r"radical: Expected a multiplicity .* that fits 1 electrons"):
        label_geometries(tmp_path / "frames.extxyz", XtbEngine(), tmp_path / "a.db")
    assert _done(tmp_path / "a.db") == 1


@pytest.mark.parametrize("limit", [0.0, float("nan")])
def test_a_force_limit_is_above_zero(limit: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="force limit above 0"):
        label_geometries(tmp_path / "none.xyz", XtbEngine(), tmp_path / "a.db", force_limit=limit)


def test_workers_need_not_load_torch() -> None:
    asked = "import sys; import pesx.labelling.label, pesx.engines.make; sys.exit('torch' in sys.modules)"
    root = str(Path(__file__).parents[3])
    assert subprocess.run([sys.executable, "-c", asked], env={**os.environ, "PYTHONPATH": root}).returncode == 0


def test_a_model_that_cannot_run_the_trajectories_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "labels.db"
    plan = replace(FEW, mix={"simulated": 1.0}, model=str(tmp_path / "none.safetensors"))
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        label(plan, out)
    sulfur = (Molecules(8, smiles={"methanethiol": "CS"}),)
    with pytest.raises(InputError, match=r"came \[16\]"):
        label(replace(plan, molecules=sulfur, model=str(files("pesx.data") / PACKAGED)), out)
    assert not out.exists()
