"""The disconnectivity tree: which minima are joined at which energy, exactly.

Transition states are taken once, from the lowest up, and each that joins two groups of minima makes a node (Kruskal's
algorithm: single linkage). Levels are only a way of drawing it: :meth:`Tree.binned` cuts the exact tree at them. Becker and
Karplus 1997, doi:10.1063/1.473299; Wales, Miller and Walsh 1998, doi:10.1038/29487.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pesx.errors import InputError
from pesx.landscape.network import Network
from pesx.landscape.records import Array


@dataclass(frozen=True)
class Tree:
    """Leaves are minima, the nodes after them are joins, the lowest first; made by :meth:`of`.

    A parent always comes after its children, so that one pass in order of number goes up the tree and one in reverse goes
    down. There are several roots where minima are not connected.

    Attributes:
        energy: Of each node, in the unit of the network.
        parent: Node that joins each with others, -1 for a root.
        minimum: Row of the minimum of each leaf.
        transition_state: Row of a transition state with the energy of each join.
        spanning: Rows of all transition states that joined something: the edges of a minimum spanning forest.
    """

    energy: Array
    parent: Array
    minimum: Array
    transition_state: Array
    spanning: Array

    @classmethod
    def of(cls, network: Network, *, tolerance: float = 0.0) -> Self:
        """Make the tree of a network in one pass over its transition states.

        Args:
            network: Any, connected or not.
            tolerance: Joins at most this much below the next one above them become one node with several children, at the
                higher energy; those of equal energy always do.
        """
        if not tolerance >= 0:
            raise InputError(f"Expected a tolerance of at least 0; came {tolerance}. Leave it out for the exact tree.")
        n = len(network.minima)
        order = np.lexsort((np.arange(len(network.first)), network.transition_states.energy))
        parent, spanning = _join(n, network.first[order].tolist(), network.second[order].tolist())
        rows = order[spanning]
        tree = cls(
            energy=np.concatenate([network.minima.energy, network.transition_states.energy[rows]]),
            parent=parent,
            minimum=np.arange(n),
            transition_state=rows,
            spanning=rows,
        )
        return tree._merged(tolerance)

    @property
    def n_leaves(self) -> int:
        """Number of minima."""
        return len(self.minimum)

    @property
    def roots(self) -> Array:
        """The topmost nodes, one for each part that is not connected to the others."""
        return np.flatnonzero(self.parent < 0)

    @property
    def sizes(self) -> Array:
        """How many leaves there are below each node; 1 for a leaf."""
        sizes = np.zeros(len(self.parent), dtype=np.int64)
        sizes[: self.n_leaves] = 1
        for node, above in enumerate(self.parent.tolist()):
            if above >= 0:
                sizes[above] += sizes[node]
        return sizes

    @property
    def lowest(self) -> Array:
        """The lowest leaf below each node, the first of these where energies are equal."""
        rank = np.empty(self.n_leaves, dtype=np.int64)
        by_energy = np.argsort(self.energy[: self.n_leaves], kind="stable")
        rank[by_energy] = np.arange(self.n_leaves)
        best = np.full(len(self.parent), self.n_leaves, dtype=np.int64)
        best[: self.n_leaves] = rank
        for node, above in enumerate(self.parent.tolist()):
            if above >= 0:
                best[above] = min(best[above], best[node])
        found: Array = by_energy[best]
        return found

    def children(self) -> list[list[int]]:
        """Return the children of each node, ascending."""
        below: list[list[int]] = [[] for _ in self.parent]
        for node, above in enumerate(self.parent.tolist()):
            if above >= 0:
                below[above].append(node)
        return below

    @property
    def barriers(self) -> Array:
        """Height of each leaf's way to a lower one: that of its lowest way out. Infinite for the lowest leaf of each part."""
        lowest = self.lowest
        barriers = np.full(self.n_leaves, np.inf)
        child = np.flatnonzero(self.parent >= 0)
        above = self.parent[child]
        ends = lowest[child] != lowest[above]
        leaf = lowest[child[ends]]
        barriers[leaf] = self.energy[above[ends]] - self.energy[leaf]
        return barriers

    def join_energy(self, first: Array | int, second: Array | int) -> Array:
        """Return the energy at which leaves are joined: the lowest highest point of any way between them.

        It is that of the minimum for a leaf and itself, and infinite where no way is known.

        Args:
            first: Leaves.
            second: Leaves, as many or one.
        """
        i, j = (np.array(end) for end in np.broadcast_arrays(first, second))
        if i.size and (min(i.min(), j.min()) < 0 or max(i.max(), j.max()) >= self.n_leaves):
            raise InputError(f"Expected leaves from 0 to {self.n_leaves - 1}; came others. Give rows of minima.")
        parent = np.append(self.parent, -1)
        # Whoever is lower climbs; one that has left the tree waits at -1 for the other to leave too.
        while (apart := i != j).any():
            i_climbs = apart & (((i < j) & (i >= 0)) | (j < 0))
            j_climbs = apart & ~i_climbs
            i, j = np.where(i_climbs, parent[i], i), np.where(j_climbs, parent[j], j)
        return np.where(i >= 0, self.energy[i], np.inf)

    def basins(self, level: float) -> Array:
        """Return for each leaf the topmost node above it that is not above a level; -1 for minima above the level.

        Leaves with the same node can reach each other without going above the level.
        """
        above = np.where(self.parent >= 0, self.parent, np.arange(len(self.parent)))
        top = np.where(self.energy[above] <= level, above, np.arange(len(above)))
        while not np.array_equal(further := top[top], top):
            top = further
        return np.where(self.energy[: self.n_leaves] <= level, top[: self.n_leaves], -1)

    def binned(self, levels: Array) -> Self:
        """Return the tree as levels show it: every join is lifted to the next level, those above all levels are cut.

        Args:
            levels: Energies, ascending.
        """
        levels = np.asarray(levels, dtype=np.float64)
        if not levels.size or not np.isfinite(levels).all() or (np.diff(levels) <= 0).any():
            raise InputError("Expected finite levels in ascending order; came others. Sort them.")
        lifted = np.append(levels, np.inf)[np.searchsorted(levels, self.energy[self.n_leaves :])]
        whole = replace(self, energy=np.concatenate([self.energy[: self.n_leaves], lifted]))
        return whole.cut(float(levels[-1]))._merged(0.0)

    def cut(self, level: float) -> Self:
        """Return the tree without the joins above a level; what they joined becomes parts of its own."""
        keep = np.ones(len(self.parent), dtype=bool)
        keep[self.n_leaves :] = self.energy[self.n_leaves :] <= level
        above = np.where(self.parent >= 0, self.parent, 0)
        parent = np.where((self.parent >= 0) & keep[above], self.parent, -1)
        return replace(self, parent=parent)._kept(keep)

    def restricted(self, leaves: Array) -> Self:
        """Return the tree of the leaves that a mask is true for; these are joined where they were.

        Unlike a tree of fewer minima, it still knows of ways through the others.
        """
        sizes = np.zeros(len(self.parent), dtype=np.int64)
        n_branches = np.zeros(len(self.parent), dtype=np.int64)
        sizes[: self.n_leaves] = leaves
        parent = self.parent.tolist()
        for node, above in enumerate(parent):
            if above >= 0 and sizes[node]:
                sizes[above] += sizes[node]
                n_branches[above] += 1
        keep = np.concatenate([leaves, n_branches[self.n_leaves :] >= 2])
        # From the top down, so that the node above already knows what stands for it.
        standing = np.full(len(parent), -1, dtype=np.int64)
        raised = np.full(len(parent), -1, dtype=np.int64)
        for node in range(len(parent) - 1, -1, -1):
            raised[node] = standing[parent[node]] if parent[node] >= 0 else -1
            standing[node] = node if keep[node] else raised[node]
        return replace(self, parent=raised)._kept(keep)

    def _merged(self, tolerance: float) -> Self:
        """Merge joins with the one above where the difference is within the tolerance, and number them anew by energy."""
        n = self.n_leaves
        parent = self.parent.copy()
        energy = self.energy.tolist()
        above = parent.tolist()
        into = list(range(len(above)))
        for node in range(len(above) - 1, n - 1, -1):
            if above[node] >= 0 and energy[node] >= energy[into[above[node]]] - tolerance:
                into[node] = into[above[node]]
        merged = np.array(into, dtype=np.int64)
        parent = np.where(parent >= 0, merged[parent], -1)
        return replace(self, parent=parent)._kept(merged == np.arange(len(merged)))

    def _kept(self, keep: Array) -> Self:
        """Return the nodes that a mask is true for; their parents must be among them. Joins are sorted by energy."""
        n = self.n_leaves
        joins = n + np.flatnonzero(keep[n:])
        joins = joins[np.argsort(self.energy[joins], kind="stable")]
        kept = np.concatenate([np.flatnonzero(keep[:n]), joins])
        number = np.full(len(keep) + 1, -1, dtype=np.int64)  # the last for a parent of -1
        number[kept] = np.arange(len(kept))
        return replace(
            self,
            energy=self.energy[kept],
            parent=number[self.parent[kept]],
            minimum=self.minimum[keep[:n]],
            transition_state=self.transition_state[joins - n],
        )


def _join(n: int, first: list[int], second: list[int]) -> tuple[Array, list[int]]:
    """Join n leaves by edges in this order, and return the parent of each node and the edges that joined two groups."""
    leader = list(range(n))  # union-find; a leader knows the topmost node of its group
    top = list(range(n))
    parent = [-1] * n
    spanning: list[int] = []
    for edge, (i, j) in enumerate(zip(first, second, strict=True)):
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        while leader[j] != j:
            leader[j] = j = leader[leader[j]]
        if i == j:
            continue
        parent[top[i]] = parent[top[j]] = len(parent)
        top[i] = len(parent)
        leader[j] = i
        parent.append(-1)
        spanning.append(edge)
    return np.array(parent, dtype=np.int64), spanning
