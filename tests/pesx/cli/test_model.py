import json
import os
import pickle

import numpy as np
import pytest

from pesx.labelling.store import LABELLED, Frame, LabelWriter
from pesx.so3krates import checkpoint


def test_info_says_what_is_in_the_file(pesx, model_file):
    answer = pesx("model", "info", model_file)
    assert answer.code == 0
    assert answer.err == ""
    for part in ("version", checkpoint.model_hash(checkpoint.load(model_file)[0]), "elements: [1, 8]", "gfn2"):
        assert part in answer.out


def test_info_as_json(pesx, model_file):
    answer = pesx("model", "info", model_file, "--json")
    facts = json.loads(answer.out)
    model, card = checkpoint.load(model_file)
    assert facts["settings"] == model.settings.as_dict()
    assert facts["card"] == card
    assert facts["weights"] == sum(weight.numel() for weight in model.parameters())
    assert facts["precision"] == "float32"


@pytest.mark.parametrize("content", [b"a letter, not a model", b""])
def test_a_file_that_is_no_model(pesx, tmp_path, content):
    (tmp_path / "letter.safetensors").write_bytes(content)
    answer = pesx("model", "info", tmp_path / "letter.safetensors")
    assert answer.code == 2
    assert "letter.safetensors" in answer.message


class Planted:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_planted_call_is_refused_and_nothing_is_written(pesx, tmp_path):
    (tmp_path / "params.pkl").write_bytes(pickle.dumps(Planted(f"touch {tmp_path / 'victim'}")))
    answer = pesx("model", "import", "so3lr", tmp_path / "params.pkl", "--out", tmp_path / "model.safetensors")
    assert answer.code == 2
    assert "system" in answer.message
    assert [path.name for path in tmp_path.iterdir()] == ["params.pkl"]


def test_an_import_writes_a_model_file(pesx, tmp_path, monkeypatch, model_file):
    model, _ = checkpoint.load(model_file)
    card = {"name": "made up", "source": "doi:0", "elements": [1, 8]}
    monkeypatch.setattr("pesx.cli.model.IMPORTERS", {"so3lr": lambda _: (model, card)})
    out = tmp_path / "imported.safetensors"
    answer = pesx("model", "import", "so3lr", tmp_path, "--out", out, "--json")
    assert answer.code == 0
    assert "cite doi:0" in answer.err
    assert json.loads(answer.out)["card"] == card
    assert checkpoint.model_hash(checkpoint.load(out)[0]) == checkpoint.model_hash(model)


def test_what_cannot_be_imported(pesx, tmp_path):
    np.savez(tmp_path / "params.npz", a=np.zeros(3))
    out = ("--out", tmp_path / "model.safetensors")
    assert "params/" in pesx("model", "import", "so3lr", tmp_path / "params.npz", *out).message
    assert "found none" in pesx("model", "import", "so3lr", tmp_path / "absent.npz", *out).message
    assert "so3lr" in pesx("model", "import", "other", tmp_path / "params.npz", *out).message
    nowhere = ("--out", tmp_path / "nowhere" / "model.safetensors")
    assert "folder" in pesx("model", "import", "so3lr", tmp_path / "params.npz", *nowhere).message
    assert pesx("model").code == 2


def test_what_cannot_be_exported(pesx, tmp_path, model_file):
    nowhere = ("--out", tmp_path / "nowhere" / "model.pt2")
    assert "folder" in pesx("model", "export", model_file, *nowhere).message
    out = ("--out", tmp_path / "model.pt2")
    assert "found none" in pesx("model", "export", tmp_path / "absent.safetensors", *out).message
    assert "float16" in pesx("model", "export", model_file, *out, "--dtype", "float16").message
    assert not (tmp_path / "model.pt2").exists()


def write_labels(path, seed, n=8):
    """Waters bent at random, with springs to the first for labels."""
    random = np.random.default_rng(seed)
    water = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    with LabelWriter(path, {"level": "gfn2", "engine": "springs", "plan": "waters"}, notes={}) as writer:
        molecule = writer.add_molecule("water", np.array([8, 1, 1]), charge=0, multiplicity=1, smiles="O")
        shifts = random.normal(scale=0.05, size=(n, 3, 3))
        frames = [
            Frame(water + shift, "given", "0", energy=float(5 * (shift**2).sum() - 1.0), forces=-10 * shift)
            for shift in shifts
        ]
        writer.add_task("task", molecule, frames, outcome=LABELLED, seconds=0.0)
    return path


def test_a_calibrated_model_keeps_its_hash_and_has_an_uncertainty(pesx, tmp_path, model_file):
    data, unseen, test = (write_labels(tmp_path / f"{seed}.db", seed) for seed in range(3))
    out = tmp_path / "calibrated.safetensors"
    arguments = ("model", "calibrate", model_file, "--data", data, "--held-out", unseen, "--out", out)
    answer = pesx(*arguments, "--test", test, "--json")
    assert answer.code == 0, answer.err
    assert "rank correlation" in answer.err
    told = json.loads(answer.out)
    assert list(told["calibration"]) == ["held_out", "2"]
    assert told["calibration"]["held_out"]["n_frames"] == 8
    facts = json.loads(pesx("model", "info", out, "--json").out)
    assert facts["card"]["uncertainty"] == told
    assert facts["card"]["training_data"] == "none"
    assert facts["uncertainty"]["alpha"] == told["alpha_eV"] > 0
    assert facts["hash"] == checkpoint.model_hash(checkpoint.load(model_file)[0])


def test_what_cannot_be_calibrated(pesx, tmp_path, model_file):
    data = write_labels(tmp_path / "labels.db", 0)
    out = ("--out", tmp_path / "out.safetensors")
    call = ("model", "calibrate", model_file, "--data", data)
    assert "--held-out" in pesx(*call, *out).message
    assert "there is none" in pesx(*call, "--held-out", tmp_path / "absent.db", *out).message
    single = write_labels(tmp_path / "single.db", 1, n=1)
    assert "two held-out frames" in pesx(*call, "--held-out", single, *out).message
    twice = ("--held-out", data, "--test", data, "--test", data)
    assert "different names" in pesx(*call, *twice, *out).message
    assert "folder" in pesx(*call, "--held-out", data, "--out", tmp_path / "nowhere" / "out.safetensors").message
    assert not (tmp_path / "out.safetensors").exists()
