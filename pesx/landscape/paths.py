"""Ways from one minimum to another: the one with the lowest highest point, and the fastest."""

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from pesx.errors import InputError
from pesx.landscape.network import Network
from pesx.landscape.records import Array
from pesx.landscape.tree import Tree

_Edges = list[list[tuple[int, float, int]]]
"""For each minimum, where one comes from there: the other minimum, the length, the row of the transition state."""


@dataclass(frozen=True)
class Path:
    """A way through a network, step by step.

    Attributes:
        minima: Rows of the minima from the first to the last.
        transition_states: Rows of the transition states between them, one fewer.
        length: Sum of the weights; the number of steps for a minimax path.
    """

    minima: Array
    transition_states: Array
    length: float

    def highest(self, network: Network) -> float:
        """Return the energy of its highest point."""
        start = network.minima.energy[self.minima]
        return float(np.concatenate([start, network.transition_states.energy[self.transition_states]]).max())


def minimax_path(network: Network, first: int, second: int, *, tree: Tree | None = None) -> Path | None:
    """Return the way whose highest point is lowest, through the minimum spanning tree; None where no way is known.

    Its highest point is :meth:`pesx.landscape.tree.Tree.join_energy`. Other ways may be as low, and shorter.

    Args:
        network: Any.
        first: Row of the minimum it starts from.
        second: Row of the minimum it leads to.
        tree: Of the network, if it is made already.
    """
    rows = (tree or Tree.of(network)).spanning
    return _shortest(network, first, second, rows=rows, weight=np.ones((len(rows), 2)))


def fastest_path(network: Network, first: int, second: int, *, weight: Array) -> Path | None:
    """Return the way with the least sum of weights (Dijkstra's algorithm); None where no way is known.

    With -log of the chance that a step is the next one this is the way that contributes most to the rate (Wales 2002,
    doi:10.1080/00268970210162691).

    Args:
        network: Any.
        first: Row of the minimum it starts from.
        second: Row of the minimum it leads to.
        weight: Of each transition state, at least 0, infinite for one that is closed; of shape (T,), or (T, 2) for the steps
            from its first to its second minimum and back.
    """
    weight = np.asarray(weight, dtype=np.float64)
    n = len(network.transition_states)
    if weight.shape not in {(n,), (n, 2)} or not (weight >= 0).all():
        raise InputError(
            f"Expected weights of at least 0 for {n} transition states; came an array of shape {weight.shape}"
            f"{' with others' if weight.size else ''}. Give (T,) or (T, 2) numbers, such as -log of probabilities."
        )
    both = weight if weight.ndim == 2 else np.stack([weight, weight], axis=1)
    return _shortest(network, first, second, rows=np.arange(n), weight=both)


def _shortest(network: Network, start: int, end: int, *, rows: Array, weight: Array) -> Path | None:
    n = len(network.minima)
    if not 0 <= start < n or not 0 <= end < n:
        raise InputError(f"Expected rows of {n} minima; came {start} and {end}. Choose others.")
    near = _edges(network, rows, weight)
    distance, came = [float("inf")] * n, [(-1, -1)] * n
    distance[start] = 0.0
    queue = [(0.0, start)]
    while queue:
        length, minimum = heappop(queue)
        if minimum == end:
            return _traced(came, start, end, length)
        if length > distance[minimum]:
            continue
        for other, step, row in near[minimum]:
            if length + step < distance[other]:
                distance[other], came[other] = length + step, (minimum, row)
                heappush(queue, (length + step, other))
    return None


def _edges(network: Network, rows: Array, weight: Array) -> _Edges:
    near: _Edges = [[] for _ in range(len(network.minima))]
    ends = zip(network.first[rows].tolist(), network.second[rows].tolist(), strict=True)
    for (i, j), (there, back), row in zip(ends, weight.tolist(), rows.tolist(), strict=True):
        near[i].append((j, there, row))
        near[j].append((i, back, row))
    return near


def _traced(came: list[tuple[int, int]], start: int, end: int, length: float) -> Path:
    minima, transition_states = [end], []
    while minima[-1] != start:
        minimum, row = came[minima[-1]]
        minima.append(minimum)
        transition_states.append(row)
    return Path(np.array(minima[::-1]), np.array(transition_states[::-1], dtype=np.int64), length)
