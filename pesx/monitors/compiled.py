"""Loops over frames as machine code."""

from collections.abc import Callable
from typing import Any

import numba

Function = Callable[..., Any]


def compiled(function: Function) -> Function:
    """Compile a function at its first call; the machine code is kept on disk where there is a folder to write to.

    What is kept is renewed when the file of the function changes, so numbers from other files must be arguments.
    """
    try:
        kernel: Function = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:
        kernel = numba.njit(error_model="numpy")(function)
    return kernel


__all__ = ["compiled"]
