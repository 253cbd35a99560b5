"""Parameters of a flax module as a flat table of arrays, and their way into modules of torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pesx.errors import CheckpointError
from pesx.so3krates.unpickle import load_arrays
from pesx.typing import Tensor

Arrays = dict[str, NDArray[Any]]


def read_parameters(path: Path) -> Arrays:
    """Return the arrays of a pickle or an npz file by their paths in the tree, such as ``params/layers_0/bias``.

    Raises:
        CheckpointError: The file is missing or damaged, or holds something else.
    """
    if not path.is_file():
        raise CheckpointError(f"Expected parameters of a model at {path}, found none; check the path.")
    if path.suffix != ".npz":
        return _flat(load_arrays(path), path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return _flat(dict(content), path)
    except CheckpointError:
        raise
    except Exception as error:  # numpy and zipfile have no common error for damaged files
        raise CheckpointError(
            f"Expected an npz file at {path}, could not read it ({error}); fetch it again."
        ) from error


def _flat(tree: Any, path: Path, prefix: str = "") -> Arrays:
    if not isinstance(tree, Mapping):
        raise CheckpointError(f"Expected a tree of named arrays in {path}, came {type(tree).__name__}.")
    flat: Arrays = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, path, f"{name}/")
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            flat[name] = value
        else:
            kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
            raise CheckpointError(f"Expected floating-point numbers in {path} for {name}, came {kind}.")
    return flat


class ParameterTree:
    """Parameters by their paths; remembers which were taken.

    Args:
        arrays: By path.
        path: Of the file, for messages.
    """

    def __init__(self, arrays: Arrays, path: Path) -> None:
        self._arrays, self._path = arrays, path
        self._taken: set[str] = set()

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return one array.

        Raises:
            CheckpointError: It is missing, or has another shape.
        """
        if name not in self._arrays:
            raise CheckpointError(f"Expected the array {name} in {self._path}; it is missing. Check the file.")
        array = self._arrays[name]
        if array.shape != shape:
            raise CheckpointError(f"Expected {name} in {self._path} of shape {shape}, came {array.shape}.")
        self._taken.add(name)
        return torch.from_numpy(np.array(array, order="C"))

    def rows(self, name: str, rows: tuple[int, ...], n_columns: int) -> Tensor:
        """Return some rows of a table that may have any number of them.

        Raises:
            CheckpointError: It is missing, or has fewer columns or rows.
        """
        shape = self._arrays[name].shape if name in self._arrays else ()
        if len(shape) != 2 or shape[0] <= max(rows):
            shape = (max(rows) + 1, n_columns)
        return self.take(name, (shape[0], n_columns))[list(rows)]

    def per_row(self, name: str, rows: tuple[int, ...]) -> Tensor:
        """Return some of the numbers of an array with one axis that may have any length.

        Raises:
            CheckpointError: It is missing, has several axes, or is too short.
        """
        shape = self._arrays[name].shape if name in self._arrays else ()
        return self.take(name, shape if len(shape) == 1 and shape[0] > max(rows) else (max(rows) + 1,))[list(rows)]

    def linear(self, target: nn.Linear, name: str, *, inputs: int | None = None, outputs: int | None = None) -> None:
        """Fill a linear map from a dense layer.

        Args:
            target: To fill.
            name: Path of the layer.
            inputs: Of the layer, where the target has more for alignment; those become zero.
            outputs: Likewise.
        """
        rows, columns = target.weight.shape
        inputs, outputs = inputs or columns, outputs or rows
        target.weight.zero_()[:outputs, :inputs] = self.take(f"{name}/kernel", (inputs, outputs)).T
        if target.bias is not None:
            target.bias.zero_()[:outputs] = self.take(f"{name}/bias", (outputs,))

    def norm(self, target: nn.LayerNorm, name: str) -> None:
        """Fill a layer norm."""
        target.weight.copy_(self.take(f"{name}/scale", tuple(target.weight.shape)))
        target.bias.copy_(self.take(f"{name}/bias", tuple(target.bias.shape)))

    def check_all_used(self) -> None:
        """Make sure that nothing was left over.

        Raises:
            CheckpointError: Some parameters were never taken; names the first.
        """
        left = sorted(set(self._arrays) - self._taken)
        if left:
            raise CheckpointError(
                f"Expected only parameters that pesx knows in {self._path}, came {len(left)} others, such as {left[0]}."
            )
