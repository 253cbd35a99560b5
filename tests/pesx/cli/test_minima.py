import json

import pytest

from pesx.run import ExploreSettings, Run


def test_the_four_minima_of_seven_atoms(pesx, finished):
    content = json.loads(pesx("minima", finished, "--json").out)
    energies = [minimum["energy"] for minimum in content["minima"]]
    assert content["n_minima"] == 4
    assert content["unit"] == "reduced"
    assert energies == pytest.approx([-16.505384, -15.935043, -15.593211, -15.533060], abs=1e-6)


def test_window_and_number(pesx, finished):
    inside = json.loads(pesx("minima", finished, "--json", "--window", "0.6").out)
    assert inside["n_minima"] == 2
    first = json.loads(pesx("minima", finished, "--json", "-n", "1").out)
    assert [minimum["relative_energy"] for minimum in first["minima"]] == [0.0]


def test_a_table_for_people(pesx, finished):
    answer = pesx("minima", finished, "-n", "2")
    assert answer.code == 0
    assert "-16.505384" in answer.out
    assert "2 of 4 minima" in answer.out
    assert answer.err == ""


def test_while_the_run_writes(pesx, tmp_path):
    settings = ExploreSettings("LJ7", n_minima=2, potential="lennard-jones")
    with Run.start(settings, tmp_path / "run") as run:
        assert "No minima yet" in pesx("minima", tmp_path / "run").out
        run.go()
        assert json.loads(pesx("minima", tmp_path / "run", "--json").out)["n_minima"] >= 2


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["-n", "0"], "at least 1", 2),
        (["--window", "5kcal/mol"], "without a unit", 2),
        (["--window", "x"], "--window", 2),
        (["--window=-1"], "'-1'", 2),
    ],
)
def test_wrong_calls(pesx, finished, arguments, words, code):
    answer = pesx("minima", finished, *arguments)
    assert answer.code == code
    assert words in answer.message


def test_a_folder_without_a_run(pesx, tmp_path):
    answer = pesx("minima", tmp_path)
    assert answer.code == 2
    assert "landscape.db" in answer.message
