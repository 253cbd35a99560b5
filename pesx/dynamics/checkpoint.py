"""The state of a simulation on disk: tensors and a few plain values, in one safetensors file that is whole or not there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pesx.errors import RunFolderError, WrongFolderError
from pesx.files import write_whole
from pesx.typing import Tensor

FILE_NAME = "checkpoint.safetensors"
_VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """What a simulation goes on from.

    Attributes:
        tensors: By dotted name; see :func:`pesx.state.flatten`.
        values: Plain values that JSON can hold.
    """

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Put it into a file at once: a kill at any moment leaves this one or the one before.

        Raises:
            OSError: It could not be written; the one before is intact.
        """
        about = {"version": str(_VERSION), "values": json.dumps(dict(self.values))}
        # Clones, because tensors that share memory are refused.
        data = save({name: tensor.cpu().clone().contiguous() for name, tensor in self.tensors.items()}, about)
        write_whole(path, data)

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Return what :meth:`write` wrote.

        Raises:
            WrongFolderError: There is none.
            RunFolderError: It is damaged, or from a newer version of pesx.
        """
        if not path.is_file():
            raise WrongFolderError(
                f"Expected a run of pesx md in {path.parent}; it has no {path.name}. Name its folder, or start a new run."
            )
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
            version, values = int(about["version"]), json.loads(about["values"])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise RunFolderError(
                f"Expected a checkpoint of pesx md in {path}; it cannot be read ({error}). Start a new run."
            ) from error
        if version > _VERSION:
            raise RunFolderError(
                f"Expected a checkpoint of version {_VERSION} or older; came {version} in {path}. Update pesx."
            )
        return cls(tensors, values)


__all__ = ["FILE_NAME", "Checkpoint"]
