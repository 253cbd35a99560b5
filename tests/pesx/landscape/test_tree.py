import time
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints, to_networkx
from pesx.landscape.tree import Tree

# Lennard-Jones clusters of 7 atoms: all minima and transition states, in reduced units.
LJ7_MINIMA = [-16.505384, -15.935043, -15.593211, -15.533060]
LJ7_STATES = [
    *[(-15.444734, 1, 2), (-15.319864, 2, 3), (-15.283421, 2, 4), (-15.097846, 2, 2), (-15.033384, 1, 3)],
    *[(-15.026438, 1, 4), (-14.816400, 4, 4), (-14.811130, 4, 4), (-14.596946, 1, 4), (-14.568061, 3, 3)],
    *[(-14.548573, 4, 4), (-12.548938, 3, 3)],
]


def network(energy, states) -> Network:
    height, first, second = (np.array(column) for column in zip(*states, strict=True))
    return Network.build(StationaryPoints.of(energy), StationaryPoints.of(height), first=first - 1, second=second - 1)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n_states", [0, 15, 40, 200])
def test_joins_are_the_lowest_highest_points(random_network, n_states, seed, minimax):
    found = random_network(30, n_states, seed)
    i, j = np.indices((30, 30))
    np.testing.assert_array_equal(Tree.of(found).join_energy(i, j), minimax(found))


def test_joins_are_those_of_networkx(random_network):
    found = random_network(40, 160, 1)
    forest = nx.minimum_spanning_tree(nx.Graph(to_networkx(found.lowest_per_pair())), weight="energy")
    tree = Tree.of(found)
    assert len(tree.spanning) == forest.number_of_edges()
    for target, path in nx.single_source_shortest_path(forest, 0).items():
        heights = [forest.edges[edge]["energy"] for edge in pairwise(path)]
        assert tree.join_energy(0, target) == max(heights, default=found.minima.energy[0])


def test_the_tree_of_lj7():
    tree = Tree.of(network(LJ7_MINIMA, LJ7_STATES))
    assert tree.energy[4:].tolist() == [-15.444734, -15.319864, -15.283421]
    assert tree.join_energy(0, [1, 2, 3]).tolist() == [-15.444734, -15.319864, -15.283421]
    assert tree.parent.tolist() == [4, 4, 5, 6, 5, 6, -1]
    np.testing.assert_allclose(tree.barriers, [np.inf, 0.490309, 0.273347, 0.249639])
    assert tree.transition_state.tolist() == [0, 1, 2]


def test_the_shape_of_a_tree(random_network):
    tree = Tree.of(random_network(50, 45, 2))
    inner = np.flatnonzero(tree.parent >= 0)
    assert (tree.parent[inner] > inner).all()
    assert (tree.energy[tree.parent[inner]] >= tree.energy[inner]).all()
    assert (np.diff(tree.energy[tree.n_leaves :]) >= 0).all()
    assert tree.sizes[tree.roots].sum() == 50
    assert all(len(below) >= 2 for below in tree.children()[tree.n_leaves :])
    for node, below in enumerate(tree.children()):
        if below:
            assert tree.sizes[node] == tree.sizes[below].sum()
            assert tree.energy[tree.lowest[node]] == tree.energy[tree.lowest[below]].min()


def test_equal_energies_make_one_node_whatever_the_order():
    states = [(1.0, 1, 2), (1.0, 3, 4), (1.0, 2, 3), (2.0, 4, 5), (1.0, 1, 4)]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        tree = Tree.of(network([0.0, 0.1, 0.2, 0.3, 0.4], [states[k] for k in order]))
        assert tree.parent.tolist() == [5, 5, 5, 5, 6, 6, -1]
        assert tree.energy[5:].tolist() == [1.0, 2.0]


def test_a_tolerance_merges_what_is_close_but_does_not_drift():
    states = [(1.0, 1, 2), (1.04, 2, 3), (1.08, 3, 4), (1.12, 4, 5)]
    tree = Tree.of(network([0.0, 0.1, 0.2, 0.3, 0.4], states), tolerance=0.05)
    assert tree.energy[5:].tolist() == [1.04, 1.12]
    assert tree.parent.tolist() == [5, 5, 5, 6, 6, 6, -1]
    with pytest.raises(InputError, match="at least 0"):
        Tree.of(network([0.0, 1.0], [(2.0, 1, 2)]), tolerance=float("nan"))


def test_basins_are_the_parts_below_a_level(random_network):
    found = random_network(60, 150, 4)
    tree = Tree.of(found)
    for level in (0.5, 2.0, 4.05, 6.0, 20.0):
        graph = to_networkx(found)
        graph.remove_edges_from([edge for edge in graph.edges(keys=True) if graph.edges[edge]["energy"] > level])
        basin = tree.basins(level)
        assert ((basin == -1) == (found.minima.energy > level)).all()
        expected = {frozenset(part) for part in nx.connected_components(graph)}
        expected = {part for part in expected if found.minima.energy[min(part)] <= level}
        assert {frozenset(np.flatnonzero(basin == label).tolist()) for label in set(basin.tolist()) - {-1}} == expected


def test_levels_lift_joins_and_keep_who_is_joined_at_each(random_network):
    found = random_network(60, 150, 5)
    exact, levels = Tree.of(found), np.arange(0.25, 8.0, 0.75)
    tree = exact.binned(levels)
    assert set(tree.energy[60:].tolist()) <= set(levels.tolist())
    for level in levels:
        a, b = exact.basins(level), tree.basins(level)
        np.testing.assert_array_equal(a[:, None] == a[None], b[:, None] == b[None])
    inner = np.flatnonzero(tree.parent[60:] >= 0) + 60
    assert (tree.energy[tree.parent[inner]] > tree.energy[inner]).all()
    with pytest.raises(InputError, match="ascending"):
        exact.binned(np.array([1.0, 1.0]))


def test_a_cut_removes_the_joins_above(random_network):
    exact = Tree.of(random_network(40, 90, 6))
    tree = exact.cut(4.0)
    i, j = np.indices((40, 40))
    before, after = exact.join_energy(i, j), tree.join_energy(i, j)
    np.testing.assert_array_equal(after, np.where((before <= 4.0) | (i == j), before, np.inf))


def test_minima_left_out_still_join_others(random_network):
    exact = Tree.of(random_network(40, 90, 7))
    keep = np.random.default_rng(0).random(40) < 0.4
    tree = exact.restricted(keep)
    rows = np.flatnonzero(keep)
    assert tree.minimum.tolist() == rows.tolist()
    i, j = np.indices((len(rows), len(rows)))
    np.testing.assert_array_equal(tree.join_energy(i, j), exact.join_energy(rows[i], rows[j]))
    assert all(len(below) >= 2 for below in tree.children()[tree.n_leaves :])


def test_barriers_are_the_lowest_ways_to_a_lower_minimum(random_network, minimax):
    found = random_network(40, 90, 8)
    rng = np.random.default_rng(0)
    energy = found.minima.energy - rng.random(40) / 100  # so that no two are equal
    found = Network.build(StationaryPoints.of(energy), found.transition_states, first=found.first, second=found.second)
    best = np.where(energy[None] < energy[:, None], minimax(found), np.inf).min(axis=1)
    np.testing.assert_array_equal(Tree.of(found).barriers, best - energy)


def test_one_minimum_and_none():
    tree = Tree.of(Network.build(StationaryPoints.of([1.0]), StationaryPoints.of([2.0]), first=[0], second=[0]))
    assert (tree.parent.tolist(), tree.roots.tolist(), tree.sizes.tolist()) == ([-1], [0], [1])
    assert tree.join_energy(0, 0) == 1.0
    assert tree.binned(np.array([1.0])).basins(0.5).tolist() == [-1]
    assert Tree.of(Network.build(StationaryPoints.of([]), StationaryPoints.of([]), first=[], second=[])).n_leaves == 0
    with pytest.raises(InputError, match="leaves from 0 to 0"):
        tree.join_energy(0, 1)


def test_a_ladder_of_thousands_needs_no_recursion_and_no_time():
    n = 20_000
    rng = np.random.default_rng(0)
    first = np.concatenate([np.arange(n - 1), rng.integers(0, n, 40_001)])
    second = np.concatenate([np.arange(1, n), rng.integers(0, n, 40_001)])
    height = np.concatenate([np.linspace(1, 2, n - 1), np.full(40_001, 3.0)])
    ladder = Network.build(StationaryPoints.of(np.zeros(n)), StationaryPoints.of(height), first=first, second=second)
    start = time.perf_counter()
    tree = Tree.of(ladder)
    assert len(tree.parent) == 2 * n - 1
    assert tree.join_energy(0, n - 1) == 2.0
    assert len(tree.binned(np.linspace(1.1, 2.1, 40)).roots) == 1
    assert time.perf_counter() - start < 10
