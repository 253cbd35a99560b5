import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

ASKED = "md --molecule CCO --potential springs:Springs --every 5fs --time 0.05ps --out"


@pytest.fixture(autouse=True)
def module(springs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(springs)


def test_a_run_says_what_came_of_it(pesx: Any, tmp_path: Path) -> None:
    answer = pesx(*ASKED.split(), "RUN", "--temperature", "250", "300", "--replicas", "2", "--json")
    assert answer.code == 0
    summary = json.loads(answer.out)
    assert summary["status"] == "the time asked for is simulated"
    assert summary["time_ps"] == 0.05
    assert [row["temperature"] for row in summary["temperatures"]] == [250.0, 300.0]
    assert all(row["failed"] == 0 and row["simulated_ps"] == pytest.approx(0.1) for row in summary["temperatures"])
    assert "Dynamics of C2H6O (9 atoms) with springs:Springs" in answer.err
    assert "0 of 2 replicas failed" in answer.err
    assert (tmp_path / "RUN" / "log.txt").read_text().splitlines()[0] in answer.err


def test_times_and_rates_are_taken_in_any_unit(pesx: Any, tmp_path: Path) -> None:
    assert (
        pesx(*ASKED.split(), "RUN", "--timestep", "0.00025ps", "--friction", "0.005/fs", "--checkpoint", "1min").code
        == 0
    )
    text = (tmp_path / "RUN" / "config.toml").read_text()
    assert "timestep = 0.25\n" in text
    assert "friction = 5.0\n" in text
    assert "checkpoint = 60.0\n" in text
    again = pesx("md", "--config", "RUN/config.toml", "--seed", "3", "--out", "AGAIN")
    assert again.code == 0
    assert "seed = 3\n" in (tmp_path / "AGAIN" / "config.toml").read_text()


def test_ctrl_c_ends_it_at_a_frame_and_resume_goes_on(pesx: Any, tmp_path: Path) -> None:
    energies = tmp_path / "RUN" / "energies" / "replica_0000.csv"

    def interrupt() -> None:
        # The run is under way once its first checkpoint is there.
        began = time.monotonic()
        while not (tmp_path / "RUN" / "checkpoint.safetensors").exists() and time.monotonic() - began < 60:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    answer = pesx(*ASKED.replace("0.05ps", "5ps").split(), "RUN")
    thread.join()
    assert answer.code == 130
    assert "Go on with: pesx md --resume --out RUN" in answer.err
    # The writer may not have come to the first line of the table when the signal comes.
    n_lines = len(energies.read_text().splitlines()) if energies.exists() else 1
    assert n_lines < 1001
    more = pesx("md", "--resume", "--out", "RUN", "--time", f"{(n_lines + 9) * 0.005}ps")
    assert more.code == 0
    assert len(energies.read_text().splitlines()) == n_lines + 11


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--molecule CCO", "Expected --out RUN"),
        ("--out RUN", "Expected --molecule"),
        ("--out RUN --resume", "Expected a run of pesx md in RUN"),
        ("--out RUN --molecule CCO --time 50", "Expected --time as a number with fs, ps, ns or us; came '50'"),
        ("--out RUN --molecule CCO --time 50ps --every 0.7fs", "Expected --every as a whole number of --timestep"),
        ("--out RUN --molecule CCO --friction 1ps", "Expected --friction"),
        ("--out RUN --molecule CCO --temperature -5", "Expected temperatures"),
        ("--out RUN --molecule CCO --format mp4", "Expected one of dcd, xtc, hdf5, extxyz"),
        ("--out RUN --molecule CCO --integrator leap", "Expected one of langevin, verlet, nose-hoover"),
        ("--out RUN --molecule LJ7 --potential lennard-jones", "eV and angstrom"),
    ],
)
def test_wrong_calls_are_one_sentence_and_leave_nothing(flags: str, said: str, pesx: Any, tmp_path: Path) -> None:
    answer = pesx("md", *flags.split())
    assert answer.code == 2
    assert said in answer.message
    assert not (tmp_path / "RUN").exists()
