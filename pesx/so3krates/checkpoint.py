"""The model file: one safetensors file with weights, settings, units and model card. Nothing in it is ever executed."""

import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from pesx.errors import CheckpointError, ConfigError
from pesx.files import write_whole
from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.so3krates.uncertainty import Uncertainty
from pesx.so3krates.upgrade import VERSION, upgraded
from pesx.typing import Tensor

FORMAT = "pesx-so3krates"

UNITS = {"energy": "eV", "length": "angstrom"}

PACKAGED = "ala_gly.safetensors"
"""The model that comes with pesx, in ``pesx.data``."""

FACTOR = "uncertainty.factor"
"""Tensor of a calibrated uncertainty; a file without one has no word of it, so that any pesx of this version can read it."""

Card = dict[str, Any]


def save(path: str | os.PathLike[str], model: So3krates, card: Card) -> None:
    """Write a model; an existing file is replaced in one step, so a reader never sees half a file.

    Args:
        path: Where to.
        model: Weights, settings, and uncertainty if there is one; written in the precision they have.
        card: What a user should know about the model, as JSON values.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "settings": json.dumps(model.settings.as_dict()),
        "units": json.dumps(UNITS),
        "card": json.dumps(card),
    }
    if model.uncertainty is not None:
        tensors[FACTOR] = model.uncertainty.factor.cpu().contiguous()
        metadata["uncertainty"] = json.dumps(_facts(model.uncertainty))
    write_whole(Path(path), to_bytes(tensors, metadata))


def load(path: str | os.PathLike[str] | None = None) -> tuple[So3krates, Card]:
    """Read a model written by :func:`save`.

    Args:
        path: The file; None for the model that comes with pesx.

    Returns:
        The model on the CPU, in the precision of the file, and its card.

    Raises:
        CheckpointError: The file is missing, damaged, not a pesx model, or from a newer pesx.
    """
    if path is None:
        return packaged_model()
    path = Path(path)
    metadata, tensors = _read(path)
    model = _build(path, metadata)
    model.to(next((tensor.dtype for name, tensor in tensors.items() if name == "embedding.weight"), torch.float32))
    model.uncertainty = _read_uncertainty(path, metadata, tensors)
    try:
        model.load_state_dict({name: tensor for name, tensor in tensors.items() if name != FACTOR})
    except RuntimeError as error:
        raise CheckpointError(
            f"Expected in {path} the weights that its settings call for, came others; write the file anew."
        ) from error
    return model, _read_card(path, metadata)


def packaged_model() -> tuple[So3krates, Card]:
    """Read the model that comes with pesx.

    Raises:
        CheckpointError: This installation has no model.
    """
    with resources.as_file(resources.files("pesx.data") / PACKAGED) as path:
        if not path.is_file():
            raise CheckpointError(
                f"Expected the packaged model {PACKAGED}, but this installation of pesx has none; reinstall pesx, or "
                "name the file of a model."
            )
        return load(path)


def model_hash(model: So3krates) -> str:
    """Return the SHA-256 of settings and weights as hexadecimal digits: equal for models that give equal energies.

    An uncertainty does not count, so calibrating a model leaves its hash as it was.
    """
    digest = hashlib.sha256(json.dumps(model.settings.identity(), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a model file says about itself, as JSON values.

    Raises:
        CheckpointError: As for :func:`load`.
    """
    path = Path(path)
    model, card = load(path)
    metadata, _ = _read(path)
    uncertainty = {} if model.uncertainty is None else {"uncertainty": _facts(model.uncertainty)}
    return {
        "file": str(path),
        "version": int(metadata["version"]),
        "hash": model_hash(model),
        "weights": sum(weight.numel() for weight in model.parameters()),
        "precision": str(model.embedding.weight.dtype).removeprefix("torch."),
        "units": json.loads(metadata.get("units", "{}")),
        "settings": model.settings.as_dict(),
        **uncertainty,
        "card": card,
    }


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"Expected a model file at {path}, found none; check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"Expected a safetensors file at {path}, could not read it as one ({error}); it is damaged, cut short, or "
            "something else: fetch it again."
        ) from error


def _build(path: Path, metadata: dict[str, str]) -> So3krates:
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"Expected a pesx model in {path} (format {FORMAT!r}), came a safetensors file of format "
            f"{metadata.get('format')!r}; only files written by pesx can be read."
        )
    text = metadata.get("version", "")
    if not text.isdecimal() or int(text) == 0:
        raise CheckpointError(f"Expected the number of a version in {path}, came {text!r}; write the file anew.")
    if int(text) > VERSION:
        raise CheckpointError(
            f"Expected version {VERSION} or older in {path}, came {text}; update pesx to read this model."
        )
    try:
        return So3krates(So3kratesSettings.from_dict(upgraded(json.loads(metadata["settings"]), int(text))))
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"Expected valid settings in {path}, came others: {error}") from error


def _facts(uncertainty: Uncertainty) -> dict[str, Any]:
    return {"alpha": uncertainty.alpha, "ridge": uncertainty.ridge, "level": uncertainty.level}


def _read_uncertainty(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor]) -> Uncertainty | None:
    if FACTOR not in tensors and "uncertainty" not in metadata:
        return None
    try:
        facts = json.loads(metadata["uncertainty"])
        return Uncertainty(tensors[FACTOR], float(facts["alpha"]), float(facts["ridge"]), str(facts["level"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"Expected in {path} an uncertainty with its factor, alpha, ridge and level, came others ({error!r}); calibrate "
            "the model anew."
        ) from error


def _read_card(path: Path, metadata: dict[str, str]) -> Card:
    try:
        card: Card = json.loads(metadata.get("card", "{}"))
    except ValueError as error:
        raise CheckpointError(
            f"Expected the model card in {path} as JSON, came: {error}; write the file anew."
        ) from error
    return card


__all__ = ["PACKAGED", "Card", "load", "model_hash", "packaged_model", "save"]
