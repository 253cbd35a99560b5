import json
from pathlib import Path

import pytest

from pesx.cli.main import main
from pesx.landscape.store import RunStore


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of five Lennard-Jones atoms, which have one minimum."""
    folder = tmp_path / "run"
    words = f"explore --molecule LJ5 --potential lennard-jones --mirror merge --max-quenches 20 --out {folder}"
    assert main(words.split()) == 0
    capsys.readouterr()
    return folder


def test_one_minimum_is_joined_to_itself(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["connect", str(run), "--around", "10", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["minima"], summary["parts"]) == (1, 1)
    assert summary["rearrangements_of_one_minimum"] == summary["transition_states"] >= 1
    with RunStore.read(run) as store:
        assert store.n_transition_states == summary["transition_states"]


def test_one_minimum_without_a_partner_says_so(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["connect", str(run), "--around", "0"]) == 0
    assert "no pair of minima is left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "message"),
    [(["--window", "8kcal/mol"], "--window"), (["--bands", "0"], "n_bands"), (["--around", "-2"], "n_around")],
)
def test_wrong_values_are_named(run: Path, capsys: pytest.CaptureFixture[str], flag: list[str], message: str):
    assert main(["connect", str(run), *flag]) == 2
    assert message in capsys.readouterr().err


def test_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["connect", str(tmp_path)]) == 2
    assert "Expected a run folder" in capsys.readouterr().err
