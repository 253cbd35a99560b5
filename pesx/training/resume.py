"""The state of a training run on disk: one safetensors file, replaced as a whole, so no kill leaves half of one."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pesx.errors import RunFolderError, WrongFolderError
from pesx.typing import Tensor

FORMAT = "3"

M = TypeVar("M", bound=torch.nn.Module)


@dataclass
class Position:
    """Where a training run stands.

    Attributes:
        step: Optimiser steps made.
        epoch: Passes through the data begun before this one.
        batch: Batches taken from this pass.
        elapsed: Time spent, s.
        skipped: Steps left out because the gradient was not finite.
        best_score: Lowest score of a validation so far, see :func:`pesx.training.trainer.score`.
        best_step: Where that was.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    elapsed: float = 0.0
    skipped: int = 0
    best_score: float = float("inf")
    best_step: int = 0


@dataclass(frozen=True)
class Trained(Generic[M]):
    """What training changes.

    Attributes:
        model: Weights being trained.
        averaged: Their running average.
        optimisers: Of the weights, with their moments.
    """

    model: M
    averaged: M
    optimisers: Sequence[torch.optim.Optimizer]


def save_state(path: Path, position: Position, trained: Trained[Any], *, identity: Mapping[str, Any]) -> None:
    """Write the state beside the old one and then over it.

    Args:
        path: File to replace.
        position: Where the run stands.
        trained: Weights and moments.
        identity: What a run must share with this one to continue it, as plain values by name.
    """
    tensors = {f"model.{name}": tensor for name, tensor in trained.model.state_dict().items()}
    tensors |= {f"averaged.{name}": tensor for name, tensor in trained.averaged.state_dict().items()}
    for number, optimiser in enumerate(trained.optimisers):
        for index, values in optimiser.state_dict()["state"].items():
            names = {name: f"optimiser.{number}.{index}.{name}" for name in values}
            tensors |= {names[name]: torch.as_tensor(value) for name, value in values.items()}
    header = {
        "format": FORMAT,
        "position": json.dumps(asdict(position)),
        "identity": json.dumps(identity, sort_keys=True),
    }
    beside = path.with_name(path.name + ".part")
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, beside, metadata=header)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)


def load_state(path: Path, trained: Trained[Any], *, identity: Mapping[str, Any]) -> Position:
    """Put a stored state into the modules and the optimisers; see :func:`save_state`.

    Raises:
        WrongFolderError: The file belongs to a run with other settings or other data.
        RunFolderError: The file is unreadable, or from another version.
    """
    header, tensors = _read(path)
    stored = json.loads(header["identity"])
    wanted = json.loads(json.dumps(dict(identity)))
    changed = [key for key in [*wanted, *(stored.keys() - wanted.keys())] if stored.get(key) != wanted.get(key)]
    if changed:
        raise WrongFolderError(
            f"Expected to continue {path} with the same {', '.join(changed)}, came another. "
            "Give what it was begun with, or train into a new folder."
        )
    trained.model.load_state_dict(_below(tensors, "model."))
    trained.averaged.load_state_dict(_below(tensors, "averaged."))
    for number, optimiser in enumerate(trained.optimisers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, f"optimiser.{number}.").items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return Position(**json.loads(header["position"]))


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise RunFolderError(
            f"Expected the state of a training run in {path}, which cannot be read: {error}."
        ) from error
    if header.get("format") != FORMAT:
        raise RunFolderError(
            f"Expected a training state of format {FORMAT} in {path}, came {header.get('format')!r}. "
            "Continue it with the version of pesx that wrote it."
        )
    return header, tensors


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
