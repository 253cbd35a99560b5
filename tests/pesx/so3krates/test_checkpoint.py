import hashlib
import json
import os
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from pesx.errors import CheckpointError
from pesx.so3krates import checkpoint
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates, So3kratesSettings, with_baseline
from pesx.so3krates.settings import FIRST
from pesx.so3krates.uncertainty import Uncertainty
from pesx.so3krates.upgrade import VERSION

CARD = {"training_data": "three waters", "force_mae": 0.01}


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = So3krates(So3kratesSettings(features=24, n_layers=2, elements=(1, 8), levels=("gfn2", "pbe")))
    made.set_reference_energies({8: -2040.123456789012}, level=1)
    return made


@pytest.fixture
def path(model, tmp_path):
    file = tmp_path / "water.safetensors"
    checkpoint.save(file, model, CARD)
    return file


def rewrite(path, **metadata):
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    save_file(load_file(path), path, metadata=header["__metadata__"] | metadata)


def test_a_model_comes_back_as_it_was(model, path):
    found, card = checkpoint.load(path)
    water = torch.tensor([[[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]])
    graph = replicas(torch.tensor([8, 1, 1]), water, 5.0)
    assert card == CARD
    assert found.settings == model.settings
    assert torch.equal(found(graph, level=1), model(graph, level=1))
    assert checkpoint.model_hash(found) == checkpoint.model_hash(model)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_baseline_comes_back_too(model, path):
    made = with_baseline(So3kratesSettings(features=12, n_layers=1, elements=(1, 8)), model, seed=1)
    checkpoint.save(path, made, CARD)
    found, _ = checkpoint.load(path)
    assert found.settings == made.settings
    assert checkpoint.model_hash(found) == checkpoint.model_hash(made) != checkpoint.model_hash(found.networks()[0])
    assert checkpoint.model_hash(found.baseline) == checkpoint.model_hash(model)
    assert not any(weight.requires_grad for weight in found.baseline.parameters())
    facts = checkpoint.describe(path)
    assert facts["settings"]["baseline"]["levels"] == ["gfn2", "pbe"]
    assert facts["weights"] == sum(weight.numel() for weight in made.parameters())


@pytest.fixture
def calibrated(model):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(40, 25, generator=generator, dtype=torch.float64)
    model.uncertainty = Uncertainty.of(features.mT @ features, ridge=0.1, level="pbe").with_alpha(0.02)
    return model


def test_an_uncertainty_comes_back_and_leaves_the_hash_as_it_was(calibrated, path, tmp_path):
    checkpoint.save(tmp_path / "calibrated.safetensors", calibrated, CARD)
    found, card = checkpoint.load(tmp_path / "calibrated.safetensors")
    assert card == CARD
    assert torch.equal(found.uncertainty.factor, calibrated.uncertainty.factor)
    facts = {"alpha": 0.02, "ridge": 0.1, "level": "pbe"}
    assert {key: getattr(found.uncertainty, key) for key in facts} == facts
    assert checkpoint.describe(tmp_path / "calibrated.safetensors")["uncertainty"] == facts
    assert checkpoint.model_hash(found) == checkpoint.model_hash(checkpoint.load(path)[0])


def test_a_model_without_uncertainty_has_no_word_of_it_in_its_file(path):
    assert checkpoint.load(path)[0].uncertainty is None
    assert b"uncertainty" not in path.read_bytes()
    assert "uncertainty" not in checkpoint.describe(path)


@pytest.mark.parametrize("uncertainty", ["{", "{}", '{"alpha": "much", "ridge": 1.0, "level": "pbe"}', "[]"])
def test_an_uncertainty_that_is_nonsense(calibrated, path, uncertainty):
    checkpoint.save(path, calibrated, CARD)
    rewrite(path, uncertainty=uncertainty)
    with pytest.raises(CheckpointError, match="calibrate the model anew"):
        checkpoint.load(path)


def test_precision_comes_back_too(model, path):
    checkpoint.save(path, model.double(), CARD)
    assert checkpoint.load(path)[0].embedding.weight.dtype == torch.float64


def test_hash_sees_every_weight(model):
    before = checkpoint.model_hash(model)
    model.head(1).reference_energies[8] += 1e-9
    assert checkpoint.model_hash(model) != before


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="found none"):
        checkpoint.load(tmp_path / "absent.safetensors")


def test_not_safetensors(path):
    path.write_text("a letter, not a model")
    with pytest.raises(CheckpointError, match="safetensors"):
        checkpoint.load(path)


@pytest.mark.parametrize("kept", [0, 4, 200, -1])
def test_truncated(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="cut short"):
        checkpoint.load(path)


def test_foreign_safetensors(path):
    save_file({"embedding.weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="only files written by pesx"):
        checkpoint.load(path)


def test_version_1_gives_the_model_and_the_hash_that_it_gave_then(path, model):
    old = {name: value for name, value in model.settings.as_dict().items() if name in FIRST}
    digest = hashlib.sha256(json.dumps(old, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    rewrite(path, version="1", settings=json.dumps(old))
    found, card = checkpoint.load(path)
    assert found.settings == model.settings
    assert card == CARD
    assert checkpoint.model_hash(found) == digest.hexdigest()
    assert checkpoint.describe(path)["version"] == 1
    for name, tensor in model.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)


def test_version_1_knows_no_options(path, model):
    rewrite(path, version="1", settings=json.dumps(model.settings.as_dict() | {"zbl": True}))
    assert not checkpoint.load(path)[0].settings.zbl


def test_files_say_their_version(path):
    assert checkpoint.describe(path)["version"] == VERSION == 2


@pytest.mark.parametrize("version", ["", "0", "-1", "1.5", "two"])
def test_a_version_that_is_none(path, version):
    rewrite(path, version=version)
    with pytest.raises(CheckpointError, match="number of a version"):
        checkpoint.load(path)


def test_all_options_come_back(tmp_path):
    torch.manual_seed(0)
    names = (
        "charge_embedding",
        "spin_embedding",
        "layer_norm_2",
        "residual_mlp_2",
        "zbl",
        "electrostatics",
        "dispersion",
    )
    options = dict.fromkeys(names, True) | {"radial_basis": "gaussian", "cutoff_function": "exponential"}
    model = So3krates(So3kratesSettings(features=24, n_layers=1, long_range_cutoff=9.0, **options))
    checkpoint.save(tmp_path / "model.safetensors", model, {})
    found, _ = checkpoint.load(tmp_path / "model.safetensors")
    assert found.settings == model.settings
    assert checkpoint.model_hash(found) == checkpoint.model_hash(model)


def test_newer_version(path):
    rewrite(path, version="99")
    with pytest.raises(CheckpointError, match="update pesx"):
        checkpoint.load(path)


def test_settings_that_do_not_fit_the_weights(path, model):
    rewrite(path, settings=json.dumps(model.settings.as_dict() | {"n_layers": 3}))
    with pytest.raises(CheckpointError, match="weights"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "settings", ['{"features": -1}', "[]", "{", '{"features": "many"}', '{"radial_basis": "none"}']
)
def test_settings_that_are_nonsense(path, settings):
    rewrite(path, settings=settings)
    with pytest.raises(CheckpointError, match="valid settings"):
        checkpoint.load(path)


def test_a_card_that_is_nonsense(path):
    rewrite(path, card="{")
    with pytest.raises(CheckpointError, match="model card"):
        checkpoint.load(path)


def test_packaged_model_is_named_when_it_is_not_there(monkeypatch):
    monkeypatch.setattr(checkpoint, "PACKAGED", "nothing.safetensors")
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors"):
        checkpoint.load(None)


def test_packaged_model_is_found(monkeypatch, tmp_path, model):
    checkpoint.save(tmp_path / "shipped.safetensors", model, CARD)
    monkeypatch.setattr(checkpoint.resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(checkpoint, "PACKAGED", "shipped.safetensors")
    assert checkpoint.load(None)[1] == CARD


def test_a_model_file_can_be_read_by_whom_the_umask_lets(model, tmp_path):
    before = os.umask(0o022)
    try:
        checkpoint.save(tmp_path / "model.safetensors", model, {})
    finally:
        os.umask(before)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644
