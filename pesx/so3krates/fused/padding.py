"""Arrays of parameters, filled up with zeros to whole vectors."""

import numpy as np
from numpy.typing import NDArray

from pesx.typing import Tensor

Real = NDArray[np.float64]


def array(tensor: Tensor) -> Real:
    """Return the numbers of a parameter."""
    return tensor.detach().numpy()


def pad(matrix: Real, width: int) -> Real:
    """Add columns of zeros up to a width."""
    return np.pad(matrix, [(0, 0)] * (matrix.ndim - 1) + [(0, width - matrix.shape[-1])])


def spaced(matrix: Real, size: int, room: int) -> Real:
    """Pad each group of ``size`` columns to ``room`` columns."""
    *before, columns = matrix.shape
    groups = matrix.reshape(*before, columns // size, size)
    return pad(groups, room).reshape(*before, columns // size * room)


__all__ = ["Real", "array", "pad", "spaced"]
