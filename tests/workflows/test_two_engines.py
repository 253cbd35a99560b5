"""The comparison on a mixture of two engines: labels, mixture, weights and report."""

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from pesx.errors import ConfigError, InputError, WrongFolderError
from pesx.training.trainer import CURVES

FOLDER = Path(__file__).parents[2] / "workflows" / "asteroid"
SETTINGS = FOLDER / "two_engines.toml"
MODULES = ("two_engines", "mixture", "separation", "uff", "cells", "comparison")

SMALL = """
size = 10
seeds = [0]
bad_shares = [0.5]

[engines]
good = "gfn2"
bad = "uff:Uff"

[accurate]
level = "accurate"

[[accurate.files]]
path = "accurate.extxyz"

[test]
level = "accurate"

[[test.files]]
path = "test.extxyz"

[structures]
level = "springs"

[[structures.files]]
path = "structures.extxyz"

[weightings."asteroid"]

[weightings."asteroid, share 0.5"]
effective_share = 0.5

[training]
n_steps = 4
batch_frames = 4
batch_pairs = 12
warmup_steps = 2
validation_fraction = 0.2
validate_every = 2

[training.model]
elements = [1, 8]
features = 16
n_layers = 1
n_heads = 2
degrees = [1]
cutoff = 4.0
n_radial = 8
"""


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(FOLDER))
    yield import_module
    sys.path.remove(str(FOLDER))
    for name in MODULES:
        sys.modules.pop(name, None)


def water(n_frames: int, seed: int) -> list[Atoms]:
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(n_frames):
        atoms = molecule("H2O")
        atoms.positions += 0.05 * random.normal(size=(3, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=random.normal() - 2000, forces=random.normal(size=(3, 3)))
        atoms.info["name"] = "water"
        frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, n_frames) in enumerate((("accurate", 12), ("test", 6), ("structures", 40))):
        ase.io.write(folder / f"{name}.extxyz", water(n_frames, seed))
    (folder / "small.toml").write_text(SMALL)
    return folder


@pytest.fixture(scope="module")
def finished(script, data, tmp_path_factory):
    pytest.importorskip("tblite")
    out = tmp_path_factory.mktemp("runs") / "out"
    words = [str(data / "small.toml"), "--data", str(data), "--out", str(out)]
    assert script("two_engines").main(words) == 0
    return out


def test_forces_of_uff_are_the_gradient_of_its_energy(script):
    atoms = molecule("CH3CH2OH")
    atoms.positions += 0.1 * np.random.default_rng(0).normal(size=(9, 3))
    atoms.calc = script("uff").Uff()
    forces, step = atoms.get_forces(), 1e-4
    for atom, axis in ((0, 0), (2, 1), (8, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            moved.calc = atoms.calc
            energies.append(moved.get_potential_energy())
        assert forces[atom, axis] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), rel=1e-4, abs=1e-5)
    assert forces.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-8)


def test_bonds_of_uff_stay_when_they_are_stretched(script):
    """A harmonic bond pulls ever harder; a bond that was lost would not pull at all."""
    calculator, pull = script("uff").Uff(), []
    for stretch in (0.0, 0.3, 1.5):
        atoms = Atoms("OHH", [[0, 0, 0], [0.99 + stretch, 0, 0], [-0.3, 0.94, 0]])
        atoms.calc = calculator
        pull.append(-atoms.get_forces()[1, 0])
    assert pull[0] < pull[1] < pull[2]


def test_a_larger_bad_part_contains_a_smaller_one(script):
    is_bad = script("mixture").is_bad
    half, most = is_bad(1000, 0.5), is_bad(1000, 0.8)
    assert (half.sum(), most.sum()) == (500, 800)
    assert not (half & ~most).any()
    # At random: each quarter of the frames has its part.
    assert all(90 < part.sum() < 160 for part in np.split(half, 4))


def test_mixed_frames_have_the_forces_of_their_engine_and_nothing_that_tells_it(script, data, finished):
    two, mixture = script("two_engines"), script("mixture")
    found = two.read_data(two.read_settings(data / "small.toml"), data, finished)
    bad = mixture.is_bad(40, 0.5)
    (good_frames,), (bad_frames,) = found.good.molecules, found.bad.molecules
    (frames,) = mixture.mixed(found.good, found.bad, 0.5).molecules
    assert np.array_equal(frames.forces[bad], bad_frames.forces[bad])
    assert np.array_equal(frames.forces[~bad], good_frames.forces[~bad])
    assert not np.array_equal(good_frames.forces[0], bad_frames.forces[0])
    assert frames.level == good_frames.level == bad_frames.level
    assert not frames.has_energy.any()
    (alone,) = mixture.good_alone(found.good, 0.5).molecules
    assert np.array_equal(alone.forces, good_frames.forces[~bad])


def test_every_way_is_trained_and_the_judge_once(finished):
    results = [json.loads(line) for line in (finished / "results.jsonl").read_text().splitlines()]
    ways = ["scratch", "pretrain-finetune", "asteroid", "asteroid, share 0.5", "good engine alone"]
    assert [one["way"] for one in results] == ways
    assert all(one["force_mae"] > 0 for one in results)
    assert ["bias" in one for one in results] == [False, False, True, True, False]
    assert [one.get("pretrained_force_mae") is None for one in results] == [True, False, False, False, False]
    trainings = sorted(path.parent.name for path in finished.rglob(CURVES))
    stages = ["1-pretrain", "2-finetune"] * 2 + ["2-pretrain", "3-finetune"] * 2
    assert trainings == sorted(["1-scratch", *stages])


def test_weights_written_are_those_of_the_recipe(finished):
    for way in ("asteroid", "asteroid-share-0.5"):
        folder = finished / "mixed-50" / way / "0"
        said = json.loads((folder / "result.json").read_text())["bias"]
        with np.load(folder / "weights.npz") as found:
            weight, bias = found["weight"], found["bias"]
        assert weight.mean() == pytest.approx(1, abs=1e-5)
        gamma = said["gamma_eV_per_angstrom"]
        assert np.log(weight[0] / weight[1]) == pytest.approx(-(bias[0] - bias[1]) / gamma, rel=1e-3, abs=1e-4)
        assert weight.sum() ** 2 / np.square(weight).sum() / 40 == pytest.approx(said["effective_share"], abs=1e-3)
    assert said["effective_share"] == pytest.approx(0.5, abs=1e-3)


def test_a_finished_comparison_trains_nothing_and_says_the_same(script, data, finished, capsys):
    times = {path: path.stat().st_mtime_ns for path in finished.rglob("result.json")}
    table = (finished / "table.md").read_text()
    words = [str(data / "small.toml"), "--data", str(data), "--out", str(finished)]
    assert script("two_engines").main(words) == 0
    assert capsys.readouterr().out.strip() == table.strip()
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("result.json")} == times
    assert (finished / "two_engines.svg").read_text().count("bad engine") >= 1


def test_labels_of_other_structures_are_refused(script, data, finished):
    two, mixture = script("two_engines"), script("mixture")
    found = two.read_data(two.read_settings(data / "small.toml"), data, finished)
    with pytest.raises(InputError, match="these structures"):
        mixture.labelled(found.test, "gfn2", finished / "labels" / "good.npz")


def test_other_settings_need_another_folder(script, data, tmp_path):
    two = script("two_engines")
    settings = two.read_settings(data / "small.toml")
    two.claim(settings, tmp_path)
    two.claim(replace(settings, seeds=(0, 1), bad_shares=(0.2,), weightings={}), tmp_path)
    with pytest.raises(WrongFolderError, match="others"):
        two.claim(replace(settings, size=11), tmp_path)


def test_mistakes_are_named(script, data):
    settings = script("two_engines").read_settings(data / "small.toml")
    for changes, message in (
        ({"size": 0}, "size"),
        ({"seeds": (1, 1)}, "seeds"),
        ({"bad_shares": (1.0,)}, "bad_shares"),
        ({"weightings": {"scratch": settings.weightings["asteroid"]}}, "scratch"),
    ):
        with pytest.raises(ConfigError, match=message):
            replace(settings, **changes)


def test_separation_of_known_biases(script):
    separation = script("separation").separation
    is_bad = np.array([False, False, True, True])
    apart = separation(bias=np.array([1.0, 2, 3, 4]), weight=np.array([1.5, 1.5, 0.5, 0.5]), is_bad=is_bad)
    assert apart["area_under_curve"] == 1
    assert apart["good_part_of_weight"] == 0.75
    assert (apart["weight_good"], apart["weight_bad"]) == (1.5, 0.5)
    assert apart["effective_share"] == pytest.approx(16 / 5 / 4)
    assert separation(bias=np.ones(4), weight=np.ones(4), is_bad=is_bad)["area_under_curve"] == 0.5
    one_wrong = separation(bias=np.array([1.0, 3.5, 3, 4]), weight=np.ones(4), is_bad=is_bad)
    assert one_wrong["area_under_curve"] == 0.75


def test_differences_are_paired_by_seed(script):
    """Seeds differ by 100, the two ways by 1 and 3: the mean difference is 2, with t(0.975, 1) = 12.706 times 1."""
    errors = {"pretrain-finetune": (100.0, 200.0, 999.0), "other": (101.0, 203.0)}
    results = [
        {
            "way": way,
            "bad_share": 0.5,
            "seed": seed,
            "force_mae": error,
            "energy_mae": error,
            "pretrained_force_mae": 1.0,
        }
        for way, of_seed in errors.items()
        for seed, error in enumerate(of_seed)
    ]
    _, row = script("separation").gains_of(results, reference="pretrain-finetune", bad_share=0.5)
    assert row["n_seeds"] == 2
    assert row["force_mae_difference"] == pytest.approx((2, 2 - 12.7062, 2 + 12.7062), abs=1e-3)


def test_the_settings_in_the_tree_compare_what_the_page_says(script):
    settings = script("two_engines").read_settings(SETTINGS)
    assert len(settings.seeds) >= 6
    assert len(settings.cells()) == len(settings.bad_shares) * len(settings.seeds) * (3 + len(settings.weightings))
