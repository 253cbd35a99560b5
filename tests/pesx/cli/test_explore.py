import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from pesx.cli.amounts import read_time
from pesx.cli.explore import _FLAGS
from pesx.cli.parser import parse
from pesx.explore.stop import Stop
from pesx.landscape.store import RunStore
from pesx.settings import read_settings
from pesx.so3krates import checkpoint

LJ7 = ("--molecule", "LJ7", "--potential", "lennard-jones")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def energies(folder):
    with RunStore.read(folder) as store:
        return store.minima().energy


def test_from_one_line_to_minima(pesx, tmp_path):
    answer = pesx("explore", *LJ7, "--n-minima", "4", "--seed", "1", "--json")
    content = json.loads(answer.out)
    assert answer.code == 0
    assert content["reason"] == "found the 4 minima asked for"
    assert content["folder"] == "runs/LJ7-1"
    assert content["n_minima"] == 4
    assert content["lowest"] == pytest.approx(-16.505384, abs=1e-6)
    assert content["energies"] == sorted(energies("runs/LJ7-1").tolist())
    assert content["completeness"]["n_minima"] == 4
    assert "biased low" in answer.err
    assert "pesx explore --resume --out runs/LJ7-1" in answer.err
    log = (tmp_path / "runs/LJ7-1/log.txt").read_text()
    assert "minima 0 of 4" in log
    assert "Stopped: found the 4 minima asked for." in log


def test_without_json_nothing_goes_to_stdout(pesx):
    answer = pesx("explore", *LJ7, "--n-minima", "1", "--out", "here")
    assert (answer.code, answer.out) == (0, "")
    assert "Stopped: found the 1 minima" in answer.err


def test_every_run_gets_a_folder_of_its_own(pesx):
    folders = [json.loads(pesx("explore", *LJ7, "--n-minima", "1", "--json").out)["folder"] for _ in range(2)]
    assert folders == ["runs/LJ7-1", "runs/LJ7-2"]


def test_flags_win_over_the_file_and_texts_have_units(pesx, tmp_path):
    (tmp_path / "run.toml").write_text(
        'molecule = "LJ7"\npotential = "lennard-jones"\nn_minima = 2\nseed = 5\nmax_time = "2min"\nenergy_window = 0.6\n'
    )
    answer = pesx("explore", "--config", "run.toml", "--n-minima", "1", "--energy-window", "3", "--out", "here")
    assert answer.code == 0
    settings = read_settings(tmp_path / "here")
    assert (settings.n_minima, settings.seed, settings.max_time, settings.energy_window) == (1, 5, 120.0, 3.0)


def test_the_settings_of_a_run_are_a_file_of_settings(pesx, finished):
    answer = pesx("explore", "--config", finished / "config.toml", "--out", "again", "--json")
    assert json.loads(answer.out)["reason"] == "found the 4 minima asked for"
    assert torch.equal(energies("again"), energies(finished))


def test_other_limits_on_resuming_are_kept(pesx, lj7):
    before = energies(lj7)
    answer = pesx("explore", "--resume", "--out", lj7, "--max-quenches", "20", "--n-minima", "50", "--json")
    assert json.loads(answer.out)["reason"] == "used the 20 quenches allowed"
    assert torch.equal(energies(lj7)[: len(before)], before)
    assert read_settings(lj7).n_minima == 50


def test_the_same_settings_may_be_repeated_on_resuming(pesx, lj7):
    arguments = (*LJ7, "--seed", "1", "--energy-window", "inf", "--method", "mixed", "--charge", "0")
    chosen = ("--replicas", "0", "--device", "auto", "--precision", "auto")
    before = read_settings(lj7)
    assert pesx("explore", "--resume", "--out", lj7, *arguments, *chosen).code == 0
    assert pesx("explore", "--resume", "--out", lj7, "--config", lj7 / "config.toml").code == 0
    assert read_settings(lj7) == before


def test_where_there_is_no_run_to_resume(pesx):
    answer = pesx("explore", "--resume", "--out", "nowhere")
    assert answer.code == 2
    assert "landscape.db" in answer.message


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (("--n-minima", "1"), "minima asked for"),
        (("--max-evaluations", "10"), "force evaluations allowed"),
    ],
)
def test_the_command_to_go_on_goes_on(pesx, limits, words):
    first = pesx("explore", *LJ7, "--replicas", "4", "--out", "run", "--json", *limits)
    before = json.loads(first.out)
    assert words in before["reason"]
    onward = re.search(r"Go on with: +pesx (.*)", first.err)[1]
    after = json.loads(pesx(*onward.split(), "--json", "--max-quenches", before["quenches"] + 4).out)
    assert after["evaluations"] > before["evaluations"]


@pytest.mark.parametrize("limit", [name for name in vars(Stop(1)) if name != "least_patience"])
def test_every_limit_of_a_search_can_be_raised_on_the_command_line(limit):
    flag, value = _FLAGS[limit].format(4000).split()
    raised = vars(parse(["explore", flag, value]))[flag.removeprefix("--").replace("-", "_")]
    seconds = read_time(raised) if limit == "max_seconds" else raised
    assert seconds == 4000


@pytest.mark.parametrize("name", ["config.toml", "provenance.json", "minima.extxyz"])
@pytest.mark.parametrize("potential", ["lennard-jones", "gfn2"])
def test_files_of_the_user_are_left_alone(pesx, name, potential):
    mine = Path("mine") / name
    mine.parent.mkdir()
    mine.write_text('molecule = "LJ13"\n')
    answer = pesx("explore", "--config", mine, "--potential", potential, "--out", "mine")
    assert answer.code == 2
    assert name in answer.message
    assert "--out" in answer.message
    assert [path.name for path in Path("mine").iterdir()] == [name]
    assert mine.read_text() == 'molecule = "LJ13"\n'


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--molecule", "CCO", "--potential", "lennard-jones"], "cluster of like atoms"),
        (["--molecule", "mixed.xyz", "--potential", "lennard-jones"], "2 pieces"),
        (["--molecule", "LJ7", "--potential", "muller-brown"], "one atom"),
        ([*LJ7, "--seed", "1e30"], "--seed"),
        ([*LJ7, "--device", "cuda"], "--device auto or cpu"),
        ([*LJ7, "--replicas", "1e30"], "--replicas"),
        ([*LJ7, "--ladder", "nan"], "--ladder"),
        ([*LJ7, "--patience", "nan"], "--patience"),
        ([*LJ7, "--max-time=-5s"], "'-5s'"),
        ([*LJ7, "--max-time", "-5s"], "--max-time=-5"),
        ([*LJ7, "--energy-window=-5"], "'-5'"),
        (["--molecule", "C" * 300 + "(", "--potential", "gfn2"], "SMILES"),
        (["--molecule", "~nouser/x.xyz"], "does not exist"),
    ],
)
def test_a_wrong_call_writes_nothing(pesx, arguments, words):
    Path("mixed.xyz").write_text("2\n\nAr 0 0 0\nNe 3 0 0\n")
    answer = pesx("explore", *arguments, "--out", "run")
    assert answer.code == 2
    assert words in answer.message
    assert not Path("run").exists()


def test_atoms_of_argon_are_a_cluster(pesx):
    Path("argon.xyz").write_text("3\n\nAr 0 0 0\nAr 1.1 0 0\nAr 0 1.1 0\n")
    asked = ("--molecule", "argon.xyz", "--potential", "lennard-jones", "--n-minima", "1")
    assert pesx("explore", *asked, "--out", "run").code == 0
    assert energies("run").tolist() == pytest.approx([-3.0])


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["--molecule", "LJ8"], "Ar7", 2),
        (["--method", "basin-hopping"], "--method mixed", 2),
        (["--seed", "2"], "--seed 1", 2),
        (["--energy-window", "2"], "--energy-window", 2),
        (["--potential", "muller-brown"], "--potential lennard-jones", 2),
        (["--replicas", "16"], "--replicas 32", 2),
        (["--charge", "2"], "--charge 0", 2),
    ],
)
def test_another_search_is_no_resumption(pesx, lj7, arguments, words, code):
    before = energies(lj7)
    answer = pesx("explore", "--resume", "--out", lj7, *arguments)
    assert answer.code == code
    assert words in answer.message
    assert torch.equal(energies(lj7), before)


def test_a_new_run_does_not_overwrite_an_old_one(pesx, lj7):
    before = energies(lj7)
    answer = pesx("explore", *LJ7, "--n-minima", "4", "--out", lj7)
    assert answer.code == 2
    assert "Resume that run" in answer.message
    assert torch.equal(energies(lj7), before)


def send_when_running(log, signals):
    """Send signals to this process once a run has shown its first line."""

    def wait_and_send():
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if log.exists() and "minima 0 of" in log.read_text():
                for number in signals:
                    os.kill(os.getpid(), number)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_in_good_order(pesx, tmp_path, number, code):
    before = signal.getsignal(signal.SIGINT)
    thread = send_when_running(tmp_path / "run" / "log.txt", [number])
    answer = pesx(
        "explore", "--molecule", "LJ13", "--potential", "lennard-jones", "--n-minima", "1500", "--out", "run", "--json"
    )
    thread.join()
    assert answer.code == code
    assert json.loads(answer.out)["reason"] == "interrupted"
    assert "pesx explore --resume --out run\n" in answer.err
    assert signal.getsignal(signal.SIGINT) is before
    with RunStore.read("run") as store:
        assert store.check() == []
        assert store.state()
    again = pesx("explore", "--resume", "--out", "run", "--max-quenches", "1")
    assert "used the 1 quenches allowed" in again.err


def test_two_signals_end_it_at_once(pesx, tmp_path):
    thread = send_when_running(tmp_path / "run" / "log.txt", [signal.SIGTERM, signal.SIGINT])
    answer = pesx("explore", "--molecule", "LJ13", "--potential", "lennard-jones", "--n-minima", "1500", "--out", "run")
    thread.join()
    assert answer.code in (130, 143)
    assert "pesx explore --resume --out run" in answer.err
    assert "Traceback" not in answer.err
    with RunStore.resume("run") as store:
        assert store.check() == []


def test_a_model_may_move_but_not_change(pesx, model_file, tmp_path):
    asked = ("explore", "--molecule", "O", "--model", model_file, "--replicas", "2", "--max-evaluations", "30")
    assert pesx(*asked, "--out", "run").code == 0
    onward = ("explore", "--resume", "--out", "run", "--max-evaluations", "60")
    moved = model_file.rename(tmp_path / "moved.safetensors")
    assert "water.safetensors" in pesx(*onward).message
    assert pesx(*onward, "--model", moved).code == 0

    model, card = checkpoint.load(moved)
    with torch.no_grad():
        model.embedding.weight += 1.0
    checkpoint.save(moved, model, card)
    answer = pesx(*onward)
    assert answer.code == 2
    assert "Give that model with --model" in answer.message
