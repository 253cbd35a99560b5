"""Structures between minima: where a search or a trajectory passes from one to another."""

from collections.abc import Iterator

import numpy as np
from scipy.optimize import fmin_l_bfgs_b
from scipy.sparse.csgraph import minimum_spanning_tree

from pesx.engines.density import rotation_onto
from pesx.engines.engine import FloatArray

_STEPS = 200
_CLOSEST = 1e-6
"""Angstrom. No two structures or atoms count as nearer: the spanning tree takes zero for no connection."""


def laid_upon(moving: FloatArray, fixed: FloatArray) -> FloatArray:
    """Return positions moved and turned rigidly to lie closest to others, angstrom."""
    centred = moving - moving.mean(axis=0)
    placed: FloatArray = centred @ rotation_onto(moving, fixed).T + fixed.mean(axis=0)
    return placed


def near_pairs(positions: FloatArray) -> list[tuple[int, int]]:
    """Return the pairs that connect all structures by the least motion: the minimum spanning tree of their RMSD.

    Args:
        positions: Angstrom, (K, N, 3), atoms in the same order.
    """
    size = len(positions)
    distances = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1, size):
            off = laid_upon(positions[j], positions[i]) - positions[i]
            distances[i, j] = max(_CLOSEST, float(np.sqrt((off**2).sum(axis=1).mean())))
    tree = minimum_spanning_tree(distances).tocoo()
    return sorted((int(min(i, j)), int(max(i, j))) for i, j in zip(tree.row, tree.col, strict=True))


def interpolated(first: FloatArray, last: FloatArray, *, n_between: int) -> FloatArray:
    """Return structures on the way from one geometry to another, (n_between, N, 3) in angstrom.

    Each is on the straight way, then relaxed until its distances between atoms are as near as can be to those in between, short
    ones above all (image-dependent pair potential; Smidstrup et al. 2014, doi:10.1063/1.4878664; here every structure by
    itself and weighted by the wanted distances), so that atoms pass around, not through, each other. They are no
    minimum-energy path and need not be: a label is wanted for what lies there.

    Args:
        first: Angstrom.
        last: Angstrom; turned onto the first.
        n_between: How many, evenly spaced.
    """
    last = laid_upon(last, first)
    ends = _distances(first)[0], _distances(last)[0]
    path = np.empty((n_between, *first.shape))
    for index, share in enumerate(np.arange(1, n_between + 1) / (n_between + 1)):
        straight = (1.0 - share) * first + share * last
        wanted = (1.0 - share) * ends[0] + share * ends[1]
        path[index] = fmin_l_bfgs_b(_strain, straight.ravel(), args=(wanted,), maxiter=_STEPS)[0].reshape(-1, 3)
    return path


def _distances(positions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return distance and vector of every pair of atoms, angstrom."""
    first, second = np.triu_indices(len(positions), 1)
    vectors = positions[second] - positions[first]
    return np.sqrt((vectors**2).sum(axis=1) + _CLOSEST**2), vectors


def _strain(flat: FloatArray, wanted: FloatArray) -> tuple[float, FloatArray]:
    """Return how far distances are from the wanted ones, and the gradient."""
    positions = flat.reshape(-1, 3)
    distance, vectors = _distances(positions)
    off = (distance - wanted) / wanted**4
    pull = (2.0 * off / distance)[:, None] * vectors
    gradient = np.zeros_like(positions)
    first, second = np.triu_indices(len(positions), 1)
    np.add.at(gradient, second, pull)
    np.add.at(gradient, first, -pull)
    return float((off * (distance - wanted)).sum()), gradient.ravel()


def between(minima: FloatArray, *, n_between: int) -> Iterator[tuple[tuple[int, int], FloatArray]]:
    """Yield, for each pair of near minima, their places in the list and the structures between them.

    Args:
        minima: Angstrom, (K, N, 3), atoms in the same order.
        n_between: Structures between two minima.
    """
    for i, j in near_pairs(minima):
        yield (i, j), interpolated(minima[i], minima[j], n_between=n_between)


__all__ = ["between", "interpolated", "laid_upon", "near_pairs"]
