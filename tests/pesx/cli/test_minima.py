import json

import numpy as np
import pytest
import torch

from pesx.landscape.records import Quenches, StoredMinima
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.run import ExploreSettings, Run
from pesx.settings import write_settings
from pesx.so3krates import checkpoint
from pesx.so3krates.uncertainty import Uncertainty
from pesx.units import KCAL_PER_MOL


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


@pytest.fixture
def waters(tmp_path, model_file):
    """A run of water with two bent waters for minima, the second one lower."""
    water = torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]], dtype=torch.float64)
    positions = torch.stack([water, water * 1.1])
    molecule = Molecule(torch.tensor([8, 1, 1]), water, bonds=torch.tensor([[0, 1], [0, 2]]))
    meta = {"model": checkpoint.model_hash(checkpoint.load(model_file)[0])}
    nothing = torch.full((2,), torch.nan, dtype=torch.float64)
    minima = StoredMinima(
        positions,
        torch.tensor([0.5, 0.25]).double(),
        nothing,
        nothing,
        nothing,
        torch.arange(2),
        torch.ones(2),
        ["", ""],
    )
    column = np.zeros(2, dtype=int)
    names = dict.fromkeys(
        ("walker", "hop", "outcome", "energy", "n_evaluations", "started_from", "is_accepted"), column
    )
    with RunStore.create(tmp_path / "waters", molecule, meta) as store, store.transaction():
        store.add_minima(minima)
        store.add_quenches(Quenches(**names, move=np.array(["seed", "seed"]), minimum=np.arange(2)))
    write_settings(ExploreSettings("O", model=str(model_file), energy_window=1.0), tmp_path / "waters")
    return tmp_path / "waters", positions


@pytest.fixture
def calibrated(model_file, tmp_path):
    model, card = checkpoint.load(model_file)
    model.uncertainty = Uncertainty.of(torch.eye(25), ridge=1.0, level="gfn2").with_alpha(0.01)
    checkpoint.save(tmp_path / "calibrated.safetensors", model, card)
    return tmp_path / "calibrated.safetensors"


def test_the_uncertainty_is_that_of_the_height_above_the_lowest(pesx, waters, calibrated):
    folder, positions = waters
    call = ("minima", folder, "--uncertainty", "--model", calibrated)
    answer = pesx(*call, "--json")
    assert answer.code == 0, answer.err
    lowest, other = json.loads(answer.out)["minima"]
    assert lowest["minimum"] == 1
    assert lowest["uncertainty"] == 0
    potential = LearnedPotential(checkpoint.load(calibrated)[0], torch.tensor([8, 1, 1]))
    expected = float(potential.uncertainty(positions[:1], positions[1:])) / KCAL_PER_MOL
    assert other["uncertainty"] == pytest.approx(expected)
    assert f"{expected:.3f}" in pesx(*call).out
    assert len(json.loads(pesx(*call, "-n", "1", "--json").out)["minima"]) == 1
    assert "uncertainty" not in json.loads(pesx("minima", folder, "--json").out)["minima"][0]


def test_an_uncertainty_that_there_is_not(pesx, waters, finished, calibrated, tmp_path):
    folder, _ = waters
    assert "Calibrate it" in pesx("minima", folder, "--uncertainty").message
    assert "another potential" in pesx("minima", finished, "--uncertainty").message
    assert "--uncertainty" in pesx("minima", folder, "--model", calibrated).message
    model, card = checkpoint.load(calibrated)
    torch.nn.init.ones_(model.head().out.weight)
    checkpoint.save(tmp_path / "other.safetensors", model, card)
    assert "hash" in pesx("minima", folder, "--uncertainty", "--model", tmp_path / "other.safetensors").message
