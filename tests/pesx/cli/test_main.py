"""Bad input: one clear message, the right exit code, no traceback, and nothing lost."""

import re
import resource
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import torch

from pesx.landscape.schema import FILE_NAME
from pesx.landscape.store import RunStore
from pesx.run import Run

WATER = ("O 0.0 0.0 0.0", "H 0.96 0.0 0.0", "H -0.24 0.93 0.0")
METHANOL = (
    *("C -0.047 0.664 0.0", "O -0.047 -0.757 0.0", "H -1.092 0.970 0.0"),
    *("H 0.879 -1.027 0.0", "H 0.437 1.080 0.892", "H 0.437 1.080 -0.892"),
)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def explore(pesx, *arguments):
    """Call explore, and make sure that a call that failed leaves no run behind."""
    answer = pesx("explore", "--n-minima", "2", *arguments)
    assert not Path("runs").exists()
    return answer


def test_a_missing_file(pesx):
    answer = explore(pesx, "--molecule", "nowhere.xyz")
    assert answer.code == 2
    assert "'nowhere.xyz', which does not exist" in answer.message


def test_no_molecule(pesx):
    answer = explore(pesx)
    assert answer.code == 2
    assert "--molecule" in answer.message


def test_an_unknown_element(pesx, structure):
    answer = explore(pesx, "--molecule", structure("Xq 0 0 0", "H 0 0 1"))
    assert answer.code == 2
    assert "'Xq'" in answer.message


def test_two_frames_in_one_file(pesx, structure):
    answer = explore(pesx, "--molecule", structure(*WATER, frames=2))
    assert answer.code == 2
    assert "several frames" in answer.message


def test_two_molecules_in_one_frame(pesx, structure):
    far = [f"{symbol} {float(x) + 9} {y} {z}" for symbol, x, y, z in map(str.split, WATER)]
    answer = explore(pesx, "--molecule", structure(*WATER, *far))
    assert answer.code == 2
    assert "2 pieces" in answer.message


@pytest.mark.parametrize("arguments", [["--charge", "1"], ["--multiplicity", "2"]])
def test_an_odd_number_of_electrons(pesx, structure, arguments):
    answer = explore(pesx, "--molecule", structure(*WATER), *arguments)
    assert answer.code == 2
    assert "electrons" in answer.message


def test_an_element_that_the_model_was_not_trained_on(pesx, structure, model_file):
    answer = explore(pesx, "--molecule", structure(*METHANOL), "--model", model_file)
    assert answer.code == 2
    assert "element" in answer.message


def test_overlapping_atoms(pesx, structure):
    answer = explore(pesx, "--molecule", structure(*WATER, "H 0.96 0.1 0.0", "H 5 0 0"))
    assert answer.code == 2
    assert "0.1" in answer.message


def test_a_model_file_that_is_not_one(pesx, structure, tmp_path):
    (tmp_path / "model.safetensors").write_text("a poem")
    answer = explore(pesx, "--molecule", structure(*WATER), "--model", tmp_path / "model.safetensors")
    assert answer.code == 2
    assert "safetensors" in answer.message


def test_a_model_file_that_is_not_there(pesx, structure):
    answer = explore(pesx, "--molecule", structure(*WATER), "--model", "none.safetensors")
    assert answer.code == 2
    assert "none.safetensors" in answer.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--n-minima", "0"], "--n-minima) of at least 1; came 0"),
        (["--energy-window", "10"], "Write for example 10kcal/mol"),
        (["--energy-window=-1eV"], "--energy-window of at least 0; came '-1eV'"),
        (["--energy-window=0eV"], "--energy-window) above 0"),
        (["--max-time", "soon"], "--max-time"),
        (["--method", "magic"], "mixed, basin-hopping, minima-hopping"),
        (["--potential", "magic"], "lennard-jones"),
        (["--device", "abacus"], "device"),
        (["--config", "none.toml"], "none.toml"),
        (["--resume"], "--out RUN"),
        (["--n-minma", "5"], "Did you mean --n-minima?"),
    ],
)
def test_wrong_calls(pesx, structure, arguments, words):
    answer = explore(pesx, "--molecule", structure(*WATER), *arguments)
    assert answer.code == 2
    assert words in answer.message


def test_a_typo_in_a_file_of_settings(pesx, tmp_path):
    (tmp_path / "run.toml").write_text('molecule = "LJ7"\nn_minma = 3\n')
    answer = explore(pesx, "--config", "run.toml")
    assert answer.code == 2
    assert "Did you mean 'n_minima'?" in answer.message


def test_a_cluster_with_a_potential_for_molecules_can_be_corrected(pesx):
    answer = explore(pesx, "--molecule", "LJ7", "--potential", "gfn2", "--out", "here")
    assert answer.code == 2
    assert "--potential lennard-jones" in answer.message
    assert (
        pesx("explore", "--molecule", "LJ7", "--potential", "lennard-jones", "--n-minima", "1", "--out", "here").code
        == 0
    )


def test_a_run_of_a_newer_version(pesx, lj7):
    def content():
        with closing(sqlite3.connect(lj7 / FILE_NAME)) as database:
            return list(database.iterdump())

    with closing(sqlite3.connect(lj7 / FILE_NAME)) as database, database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    before = content()
    for answer in (
        pesx("explore", "--resume", "--out", lj7),
        pesx("minima", lj7),
        pesx("export", lj7, "--format", "csv"),
    ):
        assert answer.code == 1
        assert "newer pesx" in answer.message
    assert content() == before


def test_a_run_without_its_settings(pesx, lj7):
    (lj7 / "config.toml").unlink()
    answer = pesx("explore", "--resume", "--out", lj7)
    assert answer.code == 1
    assert "config.toml" in answer.message


def test_a_damaged_database(pesx, lj7):
    (lj7 / FILE_NAME).write_bytes(b"a poem" * 1000)
    answer = pesx("minima", lj7)
    assert answer.code == 1
    assert "not a sound SQLite database" in answer.message


@contextmanager
def full_disk(largest):
    """Let no file grow beyond this many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing(pesx, lj7):
    with RunStore.read(lj7) as store:
        before = store.minima().energy
    more = ("--resume", "--out", lj7, "--n-minima", "50", "--max-quenches", "30")
    with full_disk(100_000):
        answer = pesx("explore", *more)
    assert answer.code == 1
    assert answer.err.count("pesx: error: ") == 1
    assert "Everything stored before is intact" in answer.err
    assert "Traceback" not in answer.err
    with RunStore.read(lj7) as store:
        assert store.check() == []
        assert torch.equal(store.minima().energy[: len(before)], before)
    assert pesx("explore", *more).code == 0


def test_a_disk_that_is_full_from_the_start(pesx):
    with full_disk(10_000):
        answer = explore(pesx, "--molecule", "LJ7", "--potential", "lennard-jones", "--out", "here")
    assert answer.code == 1
    assert "disk" in answer.message
    assert (
        pesx("explore", "--molecule", "LJ7", "--potential", "lennard-jones", "--n-minima", "1", "--out", "here").code
        == 0
    )


def test_a_bug_is_a_short_message_and_a_file(pesx, structure, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "start", lambda *_: {}["energy"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = explore(pesx, "--molecule", structure(*WATER))
    assert answer.code == 1
    assert "bug in pesx (KeyError)" in answer.message
    assert "KeyError: 'energy'" in Path(re.search(r"is in (\S+):", answer.message)[1]).read_text()


def test_a_potential_that_fails_is_no_bug_of_pesx(pesx, structure, tmp_path):
    (tmp_path / "wrong_part.py").write_text("def potential(positions):\n    return {}['energy']\n")
    answer = explore(pesx, "--molecule", structure(*WATER), "--potential", "wrong_part:potential")
    sys.modules.pop("wrong_part")
    assert answer.code == 2
    assert "KeyError: 'energy'" in answer.message


def test_a_folder_that_cannot_be_made(pesx, tmp_path):
    (tmp_path / "file").write_text("")
    answer = explore(pesx, "--molecule", "LJ7", "--potential", "lennard-jones", "--out", tmp_path / "file" / "run")
    assert answer.code == 1
    assert "Cannot make the run folder" in answer.message


def test_runs_cannot_be_made(pesx, tmp_path):
    (tmp_path / "runs").write_text("")
    answer = pesx("explore", "--molecule", "LJ7", "--potential", "lennard-jones", "--n-minima", "1")
    assert answer.code == 1
    assert "runs" in answer.message


def test_the_version(pesx):
    assert pesx("--version").out.startswith("pesx ")


def test_the_run_that_others_write_to_is_left_alone(pesx, lj7, tmp_path):
    copy = shutil.copytree(lj7, tmp_path / "copy")
    with RunStore.resume(copy):
        answer = pesx("explore", "--resume", "--out", copy)
    assert answer.code == 1
    assert "only writer" in answer.message
