"""Every recipe can be read, and the smoke twins run."""

import json
import time
from pathlib import Path

import pytest

from pesx.cli import main
from pesx.config import from_table, read_toml
from pesx.labelling.plan import read_plan
from pesx.run import ExploreSettings
from pesx.so3krates.checkpoint import load, packaged_model
from pesx.training.recipes import read_recipe_settings, recipe_settings
from pesx.training.settings import TrainingSettings, read_settings
from pesx.training.sources.data_file import read_data_file

WORKFLOWS = Path(__file__).parents[2] / "workflows"
SETTINGS = sorted(WORKFLOWS.rglob("*.toml"))
SMOKE = [path for path in SETTINGS if path.stem.endswith("_smoke")]


def name(path: Path) -> str:
    return path.relative_to(WORKFLOWS).as_posix()


def read(path: Path) -> object:
    """Read a file into the dataclass of the command that takes it."""
    if path.stem.startswith("label"):
        return read_plan(path)
    if path.stem.startswith("train"):
        return read_recipe_settings(path)
    if path.parent.name == "asteroid":
        # Its own script reads the whole of it.
        return recipe_settings(read_toml(path)["training"])
    if path.parent.name == "beyond_training_data":
        return recipe_settings(read_toml(path)["training"])
    if path.stem.startswith(("accurate", "energies")):
        return read_data_file(path)
    return from_table(ExploreSettings, read_toml(path))


@pytest.mark.parametrize("path", SETTINGS, ids=name)
def test_settings_are_valid(path):
    assert read(path) is not None


@pytest.mark.parametrize("path", SETTINGS, ids=name)
def test_recipe_is_in_the_table(path):
    assert path.name in (path.parent / "README.md").read_text()
    assert path.parent.name in (WORKFLOWS / "README.md").read_text()


def test_there_is_a_smoke_twin():
    assert SMOKE


@pytest.mark.parametrize("path", SMOKE, ids=name)
def test_smoke_twin_finishes_in_seconds(path, tmp_path, capfd):
    began = time.perf_counter()
    assert main(["explore", "--config", str(path), "--out", str(tmp_path / "run"), "--json"]) == 0
    assert time.perf_counter() - began < 30
    result = json.loads(capfd.readouterr().out)
    assert result["n_minima"] == read(path).n_minima
    assert result["reason"].startswith("found")


def test_the_smoke_twin_finds_all_minima_of_lj7(tmp_path, capfd):
    """Energies of the Cambridge Cluster Database, doi:10.1021/jp970984n: the lowest is the pentagonal bipyramid."""
    twin = str(WORKFLOWS / "find_conformers" / "lj7_smoke.toml")
    main(["explore", "--config", twin, "--out", str(tmp_path / "run"), "--json"])
    energies = json.loads(capfd.readouterr().out)["energies"]
    assert energies == pytest.approx([-16.505384, -15.935043, -15.593211, -15.533060], abs=1e-6)


def test_the_test_set_of_the_model_is_held_out():
    folder = WORKFLOWS / "ala_gly_model"
    plans = [read_plan(folder / name) for name in ("label.toml", "label_simulated.toml", "label_corrected.toml")]
    trained = {name for plan in plans for group in plan.molecules for name in group.by_name()}
    tested = {name for group in read_plan(folder / "label_test.toml").molecules for name in group.by_name()}
    assert tested - trained == {"Ac-Gly-Ala-Gly-NHMe"}
    assert not any("Gly-Ala-Gly" in name for name in trained)


def test_the_packaged_model_is_the_one_that_the_recipe_makes():
    _, card = packaged_model()
    recipe = read_recipe_settings(WORKFLOWS / "ala_gly_model" / "train_corrected.toml")
    assert from_table(TrainingSettings, card["settings"]) == recipe.of("finetune")


def test_the_model_it_starts_from_is_the_one_that_its_recipe_makes():
    _, card = load(WORKFLOWS / "ala_gly_model" / "gfn2.safetensors")
    first, second = (read_settings(WORKFLOWS / "ala_gly_model" / name) for name in ("train.toml", "train_more.toml"))
    assert from_table(TrainingSettings, card["settings"]) == second
    assert (
        first.model
        == second.model
        == read_recipe_settings(WORKFLOWS / "ala_gly_model" / "train_corrected.toml").training.model
    )
