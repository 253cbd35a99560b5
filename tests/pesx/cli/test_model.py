import json
import os
import pickle

import numpy as np
import pytest

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
