"""Reading pickles of arrays without running anything that is in them.

A pickle is a program. This one may build dicts, lists, texts and numbers, and it may call what numpy puts arrays together with;
every other name it asks for is refused, so nothing foreign is ever imported or called.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from pesx.errors import CheckpointError

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_SCALAR = np.float32(0).__reduce__()[0]

_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(module, "_reconstruct"): _RECONSTRUCT for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(module, "scalar"): _SCALAR for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
}
"""Every name that a pickle may ask for, as numpy calls it before and since version 2, and what it gets."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError as error:
            raise CheckpointError(
                f"Expected a pickle of numpy arrays and nothing else, came one that asks for {module}.{name}; nothing in it "
                "was run. Do not trust this file."
            ) from error

    def persistent_load(self, pid: Any) -> Any:
        raise CheckpointError(f"Expected a pickle of numpy arrays, came one that asks for the outside object {pid!r}.")


def load_arrays(path: str | os.PathLike[str]) -> Any:
    """Return what a pickle holds: dicts, lists and numpy arrays.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file is missing, damaged, or asks for anything but numpy arrays.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _ArrayUnpickler(file).load()
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"Expected a pickle at {path}, could not read it ({error.strerror}).") from error
    except Exception as error:  # whatever the bytes of a damaged file make of the machine
        raise CheckpointError(
            f"Expected a pickle of numpy arrays in {path}, came something else ({type(error).__name__}: {error}); it is "
            "damaged, cut short, or of another kind: fetch it again."
        ) from error


__all__ = ["load_arrays"]
