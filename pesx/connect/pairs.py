"""Which minima to try to join next: those that hops went between, those that are near, and what is missing between groups.

The last is the missing-connection algorithm of Carr, Trygubenko and Wales 2005, doi:10.1063/1.1883648: with a weight for every
pair of minima that grows steeply with their distance and vanishes where they are joined, the shortest way from the lowest
minimum to another group says which gaps to close.
"""

from collections.abc import Iterable

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components, dijkstra

from pesx.geometry.torsion import torsion_angles
from pesx.landscape.records import Array, Quenches
from pesx.typing import Float, Int, Tensor

Pair = tuple[int, int]

_JOINED = 1e-6
"""Weight of a pair that is joined: to SciPy, less than 1e-8 stands for no way at all."""

_ROWS = 256


def torsion_distances(positions: Float[Tensor, "M N 3"], quads: Int[Tensor, "T 4"]) -> Array:
    """Return how far minima are apart in their torsions: the root mean square of the half chords, (M, M), between 0 and 1.

    A torsion that is turned by half a circle counts 1, wherever it sits in the chain, while an RMSD of positions sees one in
    the middle of a chain as far more than one at its end.

    Args:
        positions: Angstrom.
        quads: Atoms of one torsion for each rotatable bond.
    """
    angles = torsion_angles(positions.double(), quads).cpu()
    distances = np.empty((len(angles), len(angles)))
    for start in range(0, len(angles), _ROWS):
        off = angles[start : start + _ROWS, None] - angles[None]
        distances[start : start + _ROWS] = (0.5 - 0.5 * torch.cos(off)).mean(dim=-1).sqrt().numpy()
    return distances


def fingerprint_distances(fingerprints: Float[Tensor, "M F"]) -> Array:
    """Return the root mean square difference of the fingerprints of every two minima, (M, M), in their unit."""
    distances = torch.cdist(fingerprints.double(), fingerprints.double()) / fingerprints.shape[1] ** 0.5
    return np.asarray(distances.numpy())


def hops(quenches: Quenches, energy: Array) -> list[Pair]:
    """Return the pairs that hops of a search went between, the lowest first.

    Args:
        quenches: Of the search.
        energy: Of the minima; a pair is as high as the higher of its two.
    """
    went = (quenches.minimum >= 0) & (quenches.started_from >= 0) & (quenches.minimum != quenches.started_from)
    ends = np.sort(np.stack([quenches.minimum[went], quenches.started_from[went]], axis=1).astype(np.int64), axis=1)
    return _lowest_first(np.unique(ends, axis=0), energy)


def near(distances: Array, energy: Array, *, n_neighbours: int) -> list[Pair]:
    """Return each minimum with its nearest ones, the lowest pairs first.

    Args:
        distances: Of every two minima, (M, M).
        energy: Of the minima.
        n_neighbours: For each minimum.
    """
    size = len(energy)
    away = distances + np.diag(np.full(size, np.inf))
    nearest = np.argsort(away, axis=1, kind="stable")[:, : min(n_neighbours, size - 1)]
    ends = np.sort(np.stack([np.repeat(np.arange(size), nearest.shape[1]), nearest.ravel()], axis=1), axis=1)
    return _lowest_first(np.unique(ends, axis=0), energy)


def missing(distances: Array, energy: Array, joined: Iterable[Pair], tried: Iterable[Pair]) -> list[Pair]:
    """Return the gaps on the shortest ways from the lowest minimum to every group that is not joined to it.

    Args:
        distances: Of every two minima, (M, M).
        energy: Of the minima.
        joined: Pairs with a transition state between them.
        tried: Pairs that are not to be tried again.

    Returns:
        Pairs, those to the lowest group first; empty where all are joined or no way is left.
    """
    size = len(energy)
    if size < 2:
        return []
    # Steep enough for many short gaps to be preferred to a long one.
    weights = (distances / max(float(np.median(distances)), 1e-12)) ** 4 + 2.0 * _JOINED
    weights[_rows(tried)] = np.inf
    is_joined = _rows(joined)
    weights[is_joined] = _JOINED
    groups = _groups(size, is_joined)
    lowest = int(np.argmin(energy))
    before = dijkstra(weights, directed=False, indices=[lowest], return_predecessors=True)[1][0]
    gaps: dict[Pair, None] = {}
    for target in _lowest_of_each(groups, energy):
        at = target
        while before[at] >= 0:
            pair = (min(at, int(before[at])), max(at, int(before[at])))
            if groups[pair[0]] != groups[pair[1]]:
                gaps.setdefault(pair)
            at = int(before[at])
    return list(gaps)


def _groups(size: int, joined: tuple[Array, Array]) -> Array:
    graph = np.zeros((size, size), dtype=bool)
    graph[joined] = True
    labels: Array = connected_components(graph, directed=False)[1]
    return labels


def _lowest_of_each(groups: Array, energy: Array) -> list[int]:
    order = np.argsort(energy, kind="stable")
    return [int(order[place]) for place in sorted(np.unique(groups[order], return_index=True)[1])]


def _rows(pairs: Iterable[Pair]) -> tuple[Array, Array]:
    """Return both orders of the pairs as an index of a matrix."""
    ends = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    return np.concatenate([ends[:, 0], ends[:, 1]]), np.concatenate([ends[:, 1], ends[:, 0]])


def _lowest_first(ends: Array, energy: Array) -> list[Pair]:
    if not len(ends):
        return []
    height = energy[ends].max(axis=1)
    return [(int(i), int(j)) for i, j in ends[np.argsort(height, kind="stable")]]


__all__ = ["Pair", "fingerprint_distances", "hops", "missing", "near", "torsion_distances"]
