"""The experiment on minima beyond the training data: settings, frames, figure; and all of it on a tiny set."""

import csv
import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from pesx import read_molecule
from pesx.engines import XtbEngine
from pesx.errors import ConfigError, WrongFolderError
from pesx.labelling.store import LabelStore

FOLDER = Path(__file__).parents[2] / "workflows" / "beyond_training_data"
MODULES = ("experiment", "trajectories", "figure")


@pytest.fixture
def script():
    sys.path.insert(0, str(FOLDER))
    yield import_module
    sys.path.remove(str(FOLDER))
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["ala3", "smoke"])
def test_settings_can_be_read(script, name):
    found = script("experiment").read_experiment(FOLDER / f"{name}.toml")
    assert read_molecule(found.molecule).n_atoms in (42, 19)
    assert found.trajectories.temperature == 500.0
    assert (found.start is None) == (name == "ala3")


@pytest.mark.parametrize(
    ("line", "words"), [("n_training = 0", "n_training"), ("temperature = -1.0", "temperature"), ("hot = 1", "hot")]
)
def test_settings_out_of_range(script, tmp_path, line, words):
    text = (FOLDER / "smoke.toml").read_text()
    kept = "\n".join(row for row in text.splitlines() if row.partition(" ")[0] != line.partition(" ")[0])
    (tmp_path / "wrong.toml").write_text(kept.replace("[trajectories]", f"[trajectories]\n{line}"))
    with pytest.raises(ConfigError, match=words):
        script("experiment").read_experiment(tmp_path / "wrong.toml")


def test_a_folder_is_of_one_experiment(script, tmp_path):
    part = script("experiment")
    found = part.read_experiment(FOLDER / "smoke.toml")
    for _ in range(2):
        part.claim(found, tmp_path)
    with pytest.raises(WrongFolderError, match="another --out"):
        part.claim(replace(found, samples=part.Samples(2, 1)), tmp_path)


def test_trajectories_begin_in_the_minimum_and_are_run_once(script, tmp_path):
    part = script("trajectories")
    molecule, engine = read_molecule("O"), XtbEngine()
    settings = part.Trajectories(n_training=1, n_held_out=1, n_frames=2, interval=1, warm_up=0)
    training, held_out = part.write_frames(molecule, engine, settings, tmp_path)
    assert part.write_frames(molecule, engine, settings, tmp_path) == (training, held_out)
    energies = []
    for path in (training, held_out):
        with LabelStore(path) as store:
            (water,) = store.molecules()
            frames = store.frames(water.id)
            assert store.level == "GFN2-xTB"
        assert len(frames["energy"]) == 2
        energies.append(frames["energy"])
        energy, forces = engine.evaluate(water.numbers, frames["positions"][1])
        assert frames["energy"][1] == pytest.approx(energy, abs=1e-5)
        np.testing.assert_allclose(frames["forces"][1], forces, atol=1e-4)
        assert set(frames["temperature"]) == {500.0}
    lowest = engine.evaluate(molecule.numbers.numpy(), part.minimum_of(molecule, engine))[0]
    assert lowest < min(map(min, energies)) < lowest + 1.0
    assert (energies[0] != energies[1]).all()


def test_the_figure_and_its_rates(script, tmp_path):
    part = script("figure")
    distance = np.linspace(0.2, 1.5, 40)
    survives = distance < 0.9
    rates = part.rates(distance, survives)
    assert sum(rate.total for _, rate in rates) == 40
    assert [at for at, _ in rates] == sorted(at for at, _ in rates)
    assert (rates[0][1].share, rates[-1][1].share) == (1.0, 0.0)
    assert part.rates(distance[:0], survives[:0]) == []
    names = ("rmsd_distance", "energy_error", "new", "survives")
    with (tmp_path / "novelty.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for at, stays in zip(distance, survives, strict=True):
            writer.writerow([at, at**2, "yes" if at > 0.7 else "no", "yes" if stays else "no"])
        writer.writerow([0.5, "", "no", ""])
    for name in ("a.svg", "b.svg"):
        part.draw(tmp_path / "novelty.csv", tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert text.startswith("<?xml")


@pytest.mark.slow
def test_the_whole_experiment_on_a_tiny_set(script, tmp_path):
    words = [str(FOLDER / "smoke.toml"), "--out", str(tmp_path / "tiny")]
    assert script("experiment").main(words) == 0
    found = json.loads((tmp_path / "tiny" / "run" / "novelty.json").read_text())
    assert found["n_frames"] == 12
    assert found["n_found"] == found["n_known"] + found["n_new"] >= 1
    assert found["surviving_known"]["total"] + found["surviving_new"]["total"] >= 1
    assert (tmp_path / "tiny" / "figure.pdf").is_file()
    assert script("experiment").main(words) == 0
