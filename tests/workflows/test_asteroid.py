"""The comparison of recipes, on springs."""

import json
import re
import sys
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from pesx.errors import ConfigError, InputError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.recipes import RECIPES
from pesx.training.trainer import CURVES, MODEL, STATE

FOLDER = Path(__file__).parents[2] / "workflows" / "asteroid"
SMOKE = FOLDER / "smoke.toml"
COMPARED = set(RECIPES) - {"corrected"}
"""That one needs cheap labels of the accurate structures, which the frames of ethanol do not have."""
DATA = Path(__file__).parents[3] / "shared" / "data"

with_data = pytest.mark.skipif(
    not (DATA / "ethanol").is_dir(), reason="the ethanol frames are not part of the repository"
)


def springs(n_frames: int, *, stiffness: float, seed: int) -> list[Atoms]:
    """Water whose two bonds are springs of 1 angstrom."""
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(n_frames):
        positions = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]) + 0.05 * random.normal(size=(3, 3))
        bonds = positions[1:] - positions[0]
        length = np.linalg.norm(bonds, axis=1, keepdims=True)
        pull = -stiffness * (length - 1) * bonds / length
        atoms = Atoms("OHH", positions, info={"name": "springs"})
        energy = 0.5 * stiffness * np.square(length - 1).sum() - 2000 - stiffness
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.concatenate([-pull.sum(0)[None], pull]))
        frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for number, (name, n_frames, stiffness) in enumerate((("accurate", 30, 30), ("test", 8, 30), ("cheap", 40, 25))):
        ase.io.write(folder / f"{name}.extxyz", springs(n_frames, stiffness=stiffness, seed=number))
    return folder


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(FOLDER))
    yield import_module
    sys.path.remove(str(FOLDER))
    for name in ("compare", "cells", "comparison", "structures"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def finished(script, data, tmp_path_factory):
    """The folder of the smoke twin, trained."""
    out = tmp_path_factory.mktemp("runs") / "out"
    assert script("compare").main([str(SMOKE), "--data", str(data), "--out", str(out)]) == 0
    return out


def all_times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.name in (MODEL, CURVES)}


def test_the_smoke_twin_compares_every_recipe(finished):
    lines = [json.loads(line) for line in (finished / "results.jsonl").read_text().splitlines()]
    cells = {(one["recipe"], one["size"], one["seed"]) for one in lines}
    assert len(lines) == len(cells) == len(COMPARED) * 2 * 2
    for one in lines:
        assert one["n_training"] + one["n_validation"] == one["size"]
        assert one["n_validation"] == one["size"] // 5
        assert one["n_test"] == 8
        assert one["force_mae"] > 0
    table = (finished / "table.md").read_text()
    assert all(f"| {recipe} | " in table for recipe in COMPARED)
    assert (finished / "learning_curves.svg").read_text().count("multi-head") >= 1
    assert (finished / "learning_curves.png").stat().st_size > 0


def test_what_recipes_have_in_common_is_trained_once(finished):
    trainings = {path.parent.relative_to(finished).as_posix() for path in finished.rglob(CURVES)}
    shared = {name for name in trainings if name.startswith("shared")}
    assert shared == {f"shared/{what}-{seed}" for what in ("pretrain", "score") for seed in (0, 1)}
    assert not [name for name in trainings if name.endswith(("1-bias", "1-pretrain", "1-score"))]
    (first, _), (second, _) = (checkpoint.load(finished / f"shared/pretrain-{seed}" / MODEL) for seed in (0, 1))
    assert checkpoint.model_hash(first) != checkpoint.model_hash(second)


def test_a_shared_stage_is_what_the_recipe_alone_would_train(script, data, finished, tmp_path):
    place = script("cells").Place(script("comparison").read_comparison(SMOKE), data, tmp_path)
    cell = script("comparison").Cell("asteroid", 20, 1)
    alone = script("cells").run_cell(place, script("cells").read_data(place), cell)
    together = json.loads((finished / str(cell) / "result.json").read_text())
    assert alone["force_mae"] == together["force_mae"]
    assert alone["bias"] == together["bias"]


def test_a_finished_comparison_trains_nothing(script, data, finished):
    before = all_times(finished)
    assert script("compare").main([str(SMOKE), "--data", str(data), "--out", str(finished)]) == 0
    assert all_times(finished) == before


def test_a_comparison_that_was_killed_goes_on(script, data, finished, tmp_path):
    """What a kill leaves behind: a cell without its result, and one that was never begun; the rest of its stages stays."""
    run = script("compare").main
    words = [str(SMOKE), "--data", str(data), "--out", str(tmp_path), "--only", "pretrain-finetune/10/0"]
    run(words)
    whole = (tmp_path / "pretrain-finetune/10/0/result.json").read_text()
    (tmp_path / "pretrain-finetune/10/0/result.json").unlink()
    (tmp_path / "results.jsonl").unlink()
    before = all_times(tmp_path / "shared")
    assert run([*words, "--only", "scratch/10/0"]) == 0
    assert (tmp_path / "pretrain-finetune/10/0/result.json").read_text() == whole
    assert all_times(tmp_path / "shared") == before
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [one["recipe"] for one in lines] == ["scratch", "pretrain-finetune"]
    assert lines[0]["force_mae"] == json.loads((finished / "scratch/10/0/result.json").read_text())["force_mae"]


def test_a_report_trains_nothing(script, data, finished, tmp_path, capsys):
    words = [str(SMOKE), "--data", str(data / "nowhere"), "--report", "--out"]
    assert script("compare").main([*words, str(finished)]) == 0
    assert "| scratch | " in capsys.readouterr().out
    assert script("compare").main([*words, str(tmp_path)]) == 2
    assert "there are none yet" in capsys.readouterr().err


def test_other_settings_need_another_folder(script, data, finished, tmp_path):
    def claim(old: str, new: str) -> None:
        path = tmp_path / "changed.toml"
        path.write_text(SMOKE.read_text().replace(old, new))
        assert path.read_text() != SMOKE.read_text()
        script("compare").claim(script("cells").Place(script("comparison").read_comparison(path), data, finished))

    claim("seeds = [0, 1]", "seeds = [0, 1, 2]")
    claim("sizes = [10, 20]", "sizes = [10, 25]")
    claim("n_steps = 4\n", "n_steps = 4\nthreads = 2\n")
    for old, new in (("n_steps = 4", "n_steps = 6"), ("sizes = [10, 20]", "sizes = [5, 20]")):
        with pytest.raises(WrongFolderError, match=r"another (training|smallest size)"):
            claim(old, new)


def test_a_cell_that_fails_does_not_stop_the_others(script, data, tmp_path, capsys):
    (tmp_path / "multi-head/10/0/1-joint").mkdir(parents=True)
    (tmp_path / "multi-head/10/0/1-joint" / STATE).write_text("torn")
    words = [
        str(SMOKE),
        "--data",
        str(data),
        "--out",
        str(tmp_path),
        "--only",
        "multi-head/10/0",
        "--only",
        "scratch/10/0",
    ]
    assert script("compare").main(words) == 1
    assert "multi-head/10/0 failed. RunFolderError" in capsys.readouterr().err
    assert (tmp_path / "scratch/10/0/result.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"delta", ', '"delat", ', "delat"),
        ("sizes = [10, 20]", "sizes = []", "sizes"),
        ("sizes = [10, 20]", "sizes = [10, 10]", "sizes"),
        ("warmup_steps", "warmup_step", r"training\.warmup_step"),
        ('level = "cheap"\n', "", "level of theory"),
        ("sizes = [10, 20]", "sizes = [10, 31]", "at least 31"),
        ("seeds = [0, 1]", "seeds = [-1]", "seeds"),
        ('[test]\nlevel = "accurate"', '[test]\nlevel = "other"', "one level"),
    ],
)
def test_mistakes_are_named(script, data, tmp_path, capsys, old, new, message):
    path = tmp_path / "wrong.toml"
    path.write_text(SMOKE.read_text().replace(old, new))
    assert path.read_text() != SMOKE.read_text()
    assert script("compare").main([str(path), "--data", str(data), "--out", str(tmp_path / "out")]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_pattern_without_a_cell_is_named(script):
    comparison = script("comparison").read_comparison(SMOKE)
    assert len(script("compare").choose(comparison, ["delta/*/0", "*/20/0"])) == 7
    with pytest.raises(ConfigError, match="delta/11"):
        script("compare").choose(comparison, ["delta/11/*"])


def test_draws_are_nested_and_differ_by_seed(script, data):
    draw = script("cells").draw
    place = script("cells").Place(script("comparison").read_comparison(SMOKE), data, Path())
    every = script("cells").read_data(place).accurate
    of = {size: {one.tobytes() for one in draw(every, size, seed=3).molecules[0].positions} for size in (5, 10, 20, 30)}
    assert [len(found) for found in of.values()] == [5, 10, 20, 30]
    assert all(small < large for small, large in pairwise(of.values()))
    assert {one.tobytes() for one in draw(every, 10, seed=4).molecules[0].positions} != of[10]


def test_relative_energies_are_drawn_by_molecule(script, make_molecules):
    draw = script("cells").draw
    every = Dataset(tuple(replace(one, is_relative=True) for one in make_molecules((4, 6, 5))))
    for seed in range(5):
        found = draw(every, 11, seed=seed)
        assert {(one.name, len(one)) for one in found.molecules} <= {(one.name, len(one)) for one in every.molecules}
        assert 9 <= len(found) <= 11
    with pytest.raises(InputError, match="at most 3"):
        draw(every, 3, seed=0)


@pytest.fixture
def make_molecules():
    def make(sizes: tuple[int, ...]) -> list[MoleculeFrames]:
        return [
            MoleculeFrames(
                name=f"molecule {number}",
                level="toy",
                numbers=np.array([8, 1]),
                charge=0,
                multiplicity=2,
                positions=np.zeros((size, 2, 3), dtype=np.float32),
                energy=np.zeros(size),
                forces=np.zeros((size, 2, 3), dtype=np.float32),
                temperature=np.full(size, np.nan),
                trajectory=np.arange(size),
                force_weight=np.ones((size, 2), dtype=np.float32),
            )
            for number, size in enumerate(sizes)
        ]

    return make


def test_workers_do_not_train_one_stage_twice(script, data, tmp_path):
    comparison = script("comparison").read_comparison(SMOKE)
    place = script("cells").Place(comparison, data, tmp_path)
    next_free, cell = script("compare").next_free, script("comparison").Cell
    running = [cell("pretrain-finetune", 10, 0), cell("scratch", 10, 0)]
    waiting = [cell("delta", 10, 0), cell("asteroid", 10, 0), cell("asteroid", 20, 0)]
    assert next_free(place, waiting, running) == cell("asteroid", 20, 0)
    assert next_free(place, waiting[:2], running) is None
    (tmp_path / "shared/pretrain-0").mkdir(parents=True)
    (tmp_path / "shared/pretrain-0" / MODEL).touch()
    assert next_free(place, waiting, running) == cell("delta", 10, 0)


@pytest.mark.slow
def test_two_workers_make_the_results_of_one(script, data, finished, tmp_path):
    words = [str(SMOKE), "--data", str(data), "--out", str(tmp_path), "--workers", "2", "--only", "*ra*/10/0"]
    assert script("compare").main(words) == 0
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [one["recipe"] for one in lines] == ["scratch", "pretrain-finetune"]
    for one in lines:
        assert one["force_mae"] == json.loads((finished / one["recipe"] / "10/0/result.json").read_text())["force_mae"]


def test_structures_come_back_with_their_molecules_and_trajectories(script, data, tmp_path):
    words = [str(SMOKE), "--data", str(data), "--out", str(tmp_path / "all.extxyz")]
    script("structures").main(words)
    written = ase.io.read(tmp_path / "all.extxyz", ":")
    assert len(written) == 40
    assert {atoms.info["name"] for atoms in written} == {"springs"}
    assert len({atoms.info["trajectory"] for atoms in written}) == 40
    for atoms, original in zip(written, ase.io.read(data / "cheap.extxyz", ":"), strict=True):
        assert atoms.positions == pytest.approx(original.positions, abs=1e-6)
        assert atoms.calc is None


def test_cheap_labels_can_come_from_a_database(script, tmp_path):
    with pytest.raises(ConfigError, match="files or a database"):
        script("comparison").Frames()
    with pytest.raises(InputError, match=r"labels\.db.*pesx label"):
        script("comparison").Frames(database="labels.db").read(tmp_path)


def test_the_comparisons_of_ethanol_differ_by_their_cheap_labels_only(script):
    one, other = (script("comparison").read_comparison(FOLDER / f"{name}.toml") for name in ("ethanol", "ethanol_gfn2"))
    assert one.training == other.training
    assert (one.accurate, one.test, one.sizes, one.seeds) == (other.accurate, other.test, other.sizes, other.seeds)
    assert len(one.seeds) >= 3
    assert set(one.recipes) - set(other.recipes) == {"asteroid-unlabelled"}
    assert set(one.recipes) == COMPARED


@with_data
def test_frames_of_the_comparison_can_be_read(script):
    comparison = script("comparison").read_comparison(FOLDER / "ethanol.toml")
    found = script("cells").read_data(script("cells").Place(comparison, DATA, Path()))
    assert [len(part) for part in (found.accurate, found.test, found.cheap, found.samples)] == [1000, 1000, 4000, 2000]
    assert np.isfinite(found.samples.molecules[0].temperature).all()
    assert len(found.cheap.molecules) == 1
