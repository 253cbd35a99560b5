import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.chemistry.embed import embed
from pesx.chemistry.read import read_molecule
from pesx.errors import ConfigError, ContractError, InputError, WrongFolderError
from pesx.explore.exploration import INTERRUPTED
from pesx.landscape.store import RunStore
from pesx.run import Run
from pesx.settings import ExploreSettings, read_settings, settled

LJ8 = ExploreSettings("LJ8", n_minima=1000, potential="lennard-jones", seed=3, max_quenches=250, precision="float64")
SHORT = replace(LJ8, max_quenches=30)

_KILLED = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
from pesx.landscape.store import RunStore
from pesx.run import ExploreSettings, Run

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
settings = eval(sys.argv[3])


def explore():
    run = Run.resume(folder) if folder.exists() else Run.start(settings, folder)
    run.exploration.sizes = replace(run.exploration.sizes, commit_every=0.05)
    run.go()


def n_quenches():
    try:
        with RunStore.read(folder) as store:
            return store.n_quenches
    except Exception:
        return 0


for kill in range(kills):
    # The parent has computed nothing, so that a fork of it is as good as a new process, and much faster.
    child = os.fork()
    if not child:
        explore()
        os._exit(3)
    target = n_quenches() + 10
    while n_quenches() < target:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the child ended before it was killed"
        time.sleep(0.01)
    time.sleep(random.random() * 0.03)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the child ended before it was killed"
    print(n_quenches(), flush=True)
"""


def finish(settings, folder):
    with Run.start(settings, folder) as run:
        return run.go()


def everything(folder):
    """All that a run has stored, as plain values and arrays."""
    with RunStore.read(folder) as store:
        assert store.check() == []
        minima, quenches = store.minima(), store.quenches()
    tables = {f"minima.{name}": value for name, value in vars(minima).items()}
    tables |= {f"quenches.{name}": value for name, value in vars(quenches).items()}
    return tables


def assert_same(one, other):
    for name, value in one.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(other[name]), err_msg=name)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run of some tens of quenches; not to be written to."""
    folder = tmp_path_factory.mktemp("short") / "run"
    finish(SHORT, folder)
    return folder


def test_the_same_seed_gives_the_same_run(short, tmp_path):
    finish(SHORT, tmp_path / "again")
    assert_same(everything(short), everything(tmp_path / "again"))


def test_another_seed_gives_another_run(short, tmp_path):
    finish(replace(SHORT, seed=4), tmp_path / "other")
    energies = [everything(folder)["quenches.energy"][:10] for folder in (short, tmp_path / "other")]
    assert not np.array_equal(*energies)


def test_a_run_killed_three_times_ends_as_if_it_had_not_been(tmp_path):
    folder = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, folder, "3", repr(LJ8)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    stored = [int(line) for line in done.stdout.split()]
    assert 0 < stored[0] < stored[1] < stored[2] < LJ8.max_quenches
    before = everything(folder)
    assert len(before["quenches.walker"]) == stored[-1]
    with Run.resume(folder) as run:
        assert run.go() == "used the 250 quenches allowed"
    after = everything(folder)
    n_minima = len(before["minima.energy"])
    assert torch.equal(after["minima.positions"][:n_minima], before["minima.positions"])
    finish(LJ8, tmp_path / "uninterrupted")
    assert_same(everything(tmp_path / "uninterrupted"), after)


def test_an_interrupted_run_ends_as_if_it_had_not_been(short, tmp_path):
    with Run.start(SHORT, tmp_path / "run") as run:
        assert run.go(lambda progress: run.exploration.interrupt() if progress.n_quenches > 10 else None) == INTERRUPTED
    with Run.resume(tmp_path / "run") as run:
        run.go()
    assert_same(everything(short), everything(tmp_path / "run"))


def test_a_run_with_a_limit_raised_is_one_that_had_it_from_the_start(short, tmp_path):
    finish(replace(SHORT, max_quenches=1), tmp_path / "run")
    with Run.resume(tmp_path / "run", max_quenches=SHORT.max_quenches) as run:
        run.go()
    assert read_settings(tmp_path / "run") == settled(SHORT)
    assert_same(everything(short), everything(tmp_path / "run"))


def test_the_unit_of_energies_is_kept(short, tmp_path):
    with RunStore.read(short) as store:
        assert store.energy_unit == "epsilon"
    with RunStore.create(tmp_path / "old", read_molecule("LJ7")) as store:
        assert store.energy_unit == "eV"


def test_a_potential_that_holds_something_is_let_go(tmp_path, monkeypatch):
    (tmp_path / "held.py").write_text(
        "from pesx.potentials.lennard_jones import LennardJones\n\nENDED = []\n\n\n"
        "class Held(LennardJones):\n    def close(self):\n        ENDED.append(True)\n\n\nPOTENTIAL = Held()\n"
    )
    monkeypatch.chdir(tmp_path)
    with Run.start(ExploreSettings("O", potential="held:POTENTIAL"), tmp_path / "run") as run:
        assert run._store.energy_unit == "eV"
        ended = sys.modules["held"].ENDED
        assert ended == []
    assert ended == [True]


def test_a_run_that_cannot_be_set_up_leaves_the_folder_free(tmp_path):
    with pytest.raises(InputError, match="molecule with bonds"):
        Run.start(ExploreSettings("LJ7", potential="gfn2"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_the_disk_does_not_take_leaves_the_folder_free(tmp_path):
    partial = f"config.toml.{os.getpid()}.partial"
    (tmp_path / "run" / partial).mkdir(parents=True)
    with pytest.raises(OSError, match=re.escape(partial)):
        Run.start(SHORT, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [partial]


def test_a_run_is_not_started_twice(short):
    before = everything(short)
    with pytest.raises(WrongFolderError, match="holds one already"):
        Run.start(SHORT, short)
    assert_same(before, everything(short))


def test_what_was_chosen_is_kept_and_goes_on_bit_by_bit(short, tmp_path):
    settings = read_settings(short)
    assert (settings.replicas, settings.device, settings.precision) == (32, "cpu", "float64")
    finish(replace(settings, max_quenches=10), tmp_path / "run")
    with Run.resume(tmp_path / "run", max_quenches=SHORT.max_quenches, device="auto", replicas=0) as run:
        assert run.settings == settings
        run.go()
    assert_same(everything(short), everything(tmp_path / "run"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "--seed 3"),
        ({"replicas": 8}, "--replicas 32"),
        ({"method": "basin-hopping"}, "--method mixed"),
        ({"max_quenchs": 3}, "max_quenches"),
        ({"max_quenches": "many"}, "max_quenches"),
        ({"max_time": float("nan")}, "max_time"),
    ],
)
def test_only_limits_change_on_resuming(short, changes, words):
    before = (short / "config.toml").read_bytes()
    with pytest.raises(ConfigError, match=words):
        Run.resume(short, **changes)
    assert (short / "config.toml").read_bytes() == before


LACTAMIDE = "C[C@@H](O)C(N)=O"
MIRRORED = "C[C@H](O)C(N)=O"
SHEET = """
import torch
from pesx import Evaluation


def potential(positions):
    return Evaluation(positions[:, 0, 0] * 0, positions * 0)


def fails_later(molecule):
    left = [2]

    def potential_for_a_while(positions):
        left[0] -= 1
        if not left[0]:
            return {}["energy"]
        return Evaluation(positions[:, 0, 0] * 0, positions * 0)

    return potential_for_a_while
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module with potentials of a user's own, in the working directory."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SHEET)
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_a_stereoisomer_is_another_molecule(own, tmp_path):
    settings = ExploreSettings(LACTAMIDE, potential=f"{own}:potential", replicas=2, max_evaluations=1)
    Run.start(settings, tmp_path / "run").close()
    turned = read_molecule(LACTAMIDE)
    Run.resume(tmp_path / "run", molecule=replace(turned, positions=turned.positions.flip(1).neg())).close()
    with pytest.raises(WrongFolderError, match="stereoisomer") as caught:
        Run.resume(tmp_path / "run", molecule=read_molecule(MIRRORED))
    assert isinstance(caught.value, InputError)
    Run.resume(tmp_path / "run").close()


@pytest.mark.parametrize("amides", ["keep", "allow"])
def test_a_cis_amide_is_another_molecule_where_amides_are_kept(own, tmp_path, amides):
    trans = read_molecule("CC(=O)NC")
    settings = ExploreSettings("CC(=O)NC", potential=f"{own}:potential", replicas=2, amides=amides)
    Run.start(settings, tmp_path / "run").close()
    turned = replace(trans, positions=embed(trans, 2, 0, cis_amides=True)[1])
    if amides == "allow":
        Run.resume(tmp_path / "run", molecule=turned).close()
    else:
        with pytest.raises(WrongFolderError, match="stereoisomer"):
            Run.resume(tmp_path / "run", molecule=turned)


def test_a_potential_that_fails_on_the_way_is_named(own, tmp_path):
    settings = ExploreSettings("O", potential=f"{own}:fails_later", replicas=2)
    with (
        Run.start(settings, tmp_path / "run") as run,
        pytest.raises(ContractError, match=rf"KeyError: 'energy' .*{own}\.py, line 16"),
    ):
        run.go()


def test_the_record_says_whether_the_run_goes_on(tmp_path):
    def status():
        return json.loads((tmp_path / "run" / "provenance.json").read_text())["status"]

    with Run.start(replace(SHORT, max_quenches=1), tmp_path / "run") as run:
        assert status() == "running"
        run.go()
    assert status() == "used the 1 quenches allowed"
    with Run.resume(tmp_path / "run"):
        assert status() == "running"
    assert not list((tmp_path / "run").glob("*.partial"))
