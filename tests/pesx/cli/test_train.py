import sqlite3
from contextlib import closing

import numpy as np
import pytest

from pesx.labelling.store import LABELLED, Frame, LabelWriter
from pesx.so3krates import checkpoint

SETTINGS = """
n_steps = 2
validate_every = 2
validation_fraction = 0.3
batch_frames = 4
[model]
features = 24
n_layers = 1
elements = [1, 8]
"""
WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS)
    return path


def write_labels(path, seed):
    """Waters bent at random, with springs to the first for labels."""
    random = np.random.default_rng(seed)
    with LabelWriter(path, {"level": "springs", "engine": "springs", "plan": "waters"}, notes={}) as writer:
        molecule = writer.add_molecule("water", np.array([8, 1, 1]), charge=0, multiplicity=1, smiles="O")
        for task in range(8):
            shifts = random.normal(scale=0.05, size=(2, 3, 3))
            frames = [
                Frame(WATER + shift, "given", f"{task}", energy=float(5 * (shift**2).sum() - 1.0), forces=-10 * shift)
                for shift in shifts
            ]
            writer.add_task(f"task-{task}", molecule, frames, outcome=LABELLED, seconds=0.0)
    return path


def test_from_labels_to_a_model(pesx, settings, tmp_path):
    data, test = write_labels(tmp_path / "labels.db", 0), write_labels(tmp_path / "unseen.db", 1)
    arguments = ("train", settings, "--data", data, "--test", test, "--out", tmp_path / "model")
    answer = pesx(*arguments)
    assert answer.code == 0, answer.err
    assert answer.out == ""
    _, card = checkpoint.load(tmp_path / "model" / "model.safetensors")
    assert "unseen" in str(card)

    again = pesx(*arguments)
    assert again.code == 2
    assert "holds a training run" in again.message
    assert pesx(*arguments, "--resume").code == 0


def test_labels_of_an_extxyz_file(pesx, settings, tmp_path):
    data = tmp_path / "labels.extxyz"
    random = np.random.default_rng(0)
    frames = []
    for task in range(8):
        shift = random.normal(scale=0.05, size=(3, 3))
        energy = 5 * (shift**2).sum() - 1.0
        rows = zip(("O", "H", "H"), np.hstack([WATER + shift, -10 * shift]), strict=True)
        atoms = "".join(f"{symbol} {' '.join(map(str, row))}\n" for symbol, row in rows)
        frames.append(f"3\nProperties=species:S:1:pos:R:3:forces:R:3 energy={energy} trajectory=t{task}\n{atoms}")
    data.write_text("".join(frames))
    arguments = ("train", settings, "--data", data, "--out", tmp_path / "model")
    answer = pesx(*arguments)
    assert answer.code == 2
    assert "--level" in answer.message
    assert pesx(*arguments, "--level", "springs").code == 0
    assert checkpoint.load(tmp_path / "model" / "model.safetensors")[0].settings.levels == ("springs",)


def test_labels_of_a_data_file(pesx, settings, tmp_path):
    shifts = np.random.default_rng(0).normal(scale=0.05, size=(16, 3, 3))
    energy = 5 * (shifts**2).sum(axis=(1, 2)) - 1.0
    np.savez(tmp_path / "labels.npz", R=WATER + shifts, z=[8, 1, 1], E=energy, F=-10 * shifts)
    data = tmp_path / "data.toml"
    files = '[[files]]\npath = "labels.npz"\nenergy_unit = "eV"\nlength_unit = "angstrom"\n'
    data.write_text(files)
    arguments = ("train", settings, "--data", data, "--out", tmp_path / "model")
    answer = pesx(*arguments)
    assert answer.code == 2
    assert "expected the level of theory" in answer.message
    assert not (tmp_path / "model").exists()
    data.write_text('level = "springs"\n' + files + 'force_unit = "eV/angstrom"\n')
    assert pesx(*arguments).code == 0
    assert checkpoint.load(tmp_path / "model" / "model.safetensors")[0].settings.levels == ("springs",)


def test_another_database_is_no_file_of_labels(pesx, settings, tmp_path):
    with closing(sqlite3.connect(tmp_path / "landscape.db")) as connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        connection.execute("INSERT INTO meta VALUES ('version', '1')")
        connection.commit()
    answer = pesx("train", settings, "--data", tmp_path / "landscape.db", "--out", tmp_path / "model")
    assert answer.code == 2
    assert "made by `pesx label`" in answer.message
    assert answer.message.count("landscape.db") == 1


def test_labels_of_an_element_that_the_model_has_not(pesx, settings, tmp_path):
    settings.write_text(SETTINGS.replace("[1, 8]", "[1, 6]"))
    answer = pesx("train", settings, "--data", write_labels(tmp_path / "labels.db", 0), "--out", tmp_path / "model")
    assert answer.code == 2
    assert "element" in answer.message
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--data", "none.db"], "none.db"), (["--data", "none.db", "--threads", "0"], "threads")],
)
def test_wrong_calls(pesx, settings, arguments, words, tmp_path):
    answer = pesx("train", settings, *arguments, "--out", tmp_path / "model")
    assert answer.code == 2
    assert words in answer.message


def test_a_typo_in_the_settings(pesx, settings, tmp_path):
    settings.write_text("n_step = 3\n")
    answer = pesx("train", settings, "--data", "none.db", "--out", tmp_path / "model")
    assert answer.code == 2
    assert "Did you mean 'n_steps'?" in answer.message


def test_a_recipe_from_cheap_and_accurate_labels(pesx, settings, tmp_path):
    accurate, cheap = write_labels(tmp_path / "accurate.db", 0), write_labels(tmp_path / "cheap.db", 1)
    with closing(sqlite3.connect(cheap)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'soft springs' WHERE key = 'level'")
    settings.write_text(SETTINGS.replace("[model]", "[stages.pretrain]\nn_steps = 3\n[model]"))
    out = tmp_path / "model"
    answer = pesx("train", settings, "--recipe", "asteroid", "--data", accurate, "--cheap", cheap, "--out", out)
    assert answer.code == 0, answer.err
    _, card = checkpoint.load(out / "model.safetensors")
    assert card["recipe"]["stages"] == ["1-bias", "2-pretrain", "3-finetune"]
    assert card["level_of_theory"] == "springs"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--cheap", "labels.db"), "--cheap only beside --recipe"),
        (("--recipe", "asteroid"), "--cheap"),
        (("--recipe", "alchemy"), "alchemy"),
        (("--recipe", "delta", "--target", "springs"), "--target only without --recipe"),
    ],
)
def test_calls_that_do_not_fit_together(pesx, settings, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    data = write_labels(tmp_path / "labels.db", 0)
    answer = pesx("train", settings, "--data", data, "--out", tmp_path / "model", *words)
    assert answer.code == 2
    assert message in answer.message
    assert not (tmp_path / "model").exists()


def at_level(path, level, seed=0):
    """Waters whose labels are said to be of another level."""
    write_labels(path, seed)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'level'", (level,))
    return path


def test_what_is_refused_leaves_what_was_there(pesx, settings, tmp_path):
    out = tmp_path / "model"
    (out / "own").mkdir(parents=True)
    answer = pesx("train", settings, "--data", write_labels(tmp_path / "a.db", 0), "--target", "other", "--out", out)
    assert answer.code == 2
    assert "'other', came only 'springs'" in answer.message
    assert [path.name for path in out.rglob("*")] == ["own"]


def test_tests_that_the_model_will_not_fit_are_refused_before_it_is_trained(pesx, settings, tmp_path):
    data, test = write_labels(tmp_path / "labels.db", 0), at_level(tmp_path / "unseen.db", "soft springs")
    answer = pesx("train", settings, "--data", data, "--test", test, "--out", tmp_path / "model")
    assert answer.code == 2
    assert "--test unseen: expected labels at a level of theory of the data, 'springs', came 'soft" in answer.message
    assert not (tmp_path / "model").exists()
    cheap = at_level(tmp_path / "cheap.db", "soft springs", 1)
    recipe = ("--recipe", "pretrain-finetune", "--cheap", cheap)
    assert pesx("train", settings, "--data", data, "--test", test, "--out", tmp_path / "b", *recipe).code == 0


def test_a_recipe_takes_accurate_labels_of_one_level(pesx, settings, tmp_path):
    first, second = write_labels(tmp_path / "a.db", 0), at_level(tmp_path / "b.db", "hard springs")
    cheap = at_level(tmp_path / "c.db", "soft springs", 1)
    words = ("--recipe", "delta", "--data", first, "--data", second, "--cheap", cheap, "--out", tmp_path / "model")
    answer = pesx("train", settings, *words)
    assert answer.code == 2
    assert "--data beside --recipe; came 'springs', 'hard springs'" in answer.message
    assert not (tmp_path / "model").exists()


def test_a_level_for_files_that_say_theirs(pesx, settings, tmp_path):
    data = write_labels(tmp_path / "labels.db", 0)
    answer = pesx("train", settings, "--data", data, "--level", "PBE", "--out", tmp_path / "model")
    assert answer.code == 2
    assert "--level only beside extxyz files" in answer.message


def test_the_level_of_cheap_extxyz_files_has_its_own_flag(pesx, settings, tmp_path):
    (tmp_path / "cheap.extxyz").write_text("")
    words = ("--recipe", "delta", "--cheap", tmp_path / "cheap.extxyz", "--out", tmp_path / "model")
    answer = pesx("train", settings, "--data", write_labels(tmp_path / "labels.db", 0), *words)
    assert answer.code == 2
    assert "Expected --cheap-level beside" in answer.message
    again = pesx("train", settings, "--data", tmp_path / "labels.db", *words, "--cheap-level", "soft springs")
    assert again.code == 2
    assert "cheap.extxyz: Expected labelled frames, found none" in again.message
