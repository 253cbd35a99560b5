import networkx as nx
import numpy as np
import pytest

from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.paths import fastest_path, minimax_path
from pesx.landscape.tree import Tree


def check_steps(network: Network, path, start: int, end: int):
    """Each transition state must lead from the minimum before it to the one after it."""
    assert (path.minima[0], path.minima[-1]) == (start, end)
    assert len(path.minima) == len(path.transition_states) + 1
    for i, j, row in zip(path.minima, path.minima[1:], path.transition_states, strict=False):
        assert {i, j} == {network.first[row], network.second[row]}


@pytest.mark.parametrize("seed", range(5))
def test_a_minimax_path_is_as_high_as_the_join(random_network, seed):
    network = random_network(40, 100, seed)
    tree = Tree.of(network)
    for end in range(1, 40):
        path = minimax_path(network, 0, end, tree=tree)
        if path is None:
            assert tree.join_energy(0, end) == np.inf
        else:
            check_steps(network, path, 0, end)
            assert path.highest(network) == tree.join_energy(0, end)


@pytest.mark.parametrize("seed", range(5))
def test_the_fastest_path_is_that_of_networkx(random_network, seed):
    network = random_network(40, 100, seed)
    weight = np.random.default_rng(seed).random((100, 2))
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(40))
    for row, (i, j) in enumerate(zip(network.first.tolist(), network.second.tolist(), strict=True)):
        graph.add_edge(i, j, weight=weight[row, 0])
        graph.add_edge(j, i, weight=weight[row, 1])
    expected = nx.single_source_dijkstra_path_length(graph, 3)
    for end in range(40):
        path = fastest_path(network, 3, end, weight=weight)
        assert (path is None) == (end not in expected)
        if path is not None:
            check_steps(network, path, 3, end)
            assert path.length == pytest.approx(expected[end])


def test_by_hand():
    network = Network.build(
        StationaryPoints.of([0.0, 1.0, 0.5]), StationaryPoints.of([5.0, 2.0, 3.0]), first=[0, 0, 1], second=[2, 1, 2]
    )
    assert minimax_path(network, 0, 2).minima.tolist() == [0, 1, 2]
    assert fastest_path(network, 0, 2, weight=np.array([1.0, 1.0, 1.0])).transition_states.tolist() == [0]
    assert fastest_path(network, 0, 2, weight=np.array([np.inf, 1.0, 1.0])).transition_states.tolist() == [1, 2]
    back = np.array([[0.0, 9.0], [1.0, 1.0], [1.0, 1.0]])
    assert fastest_path(network, 0, 2, weight=back).length == 0.0
    assert fastest_path(network, 2, 0, weight=back).minima.tolist() == [2, 1, 0]
    assert minimax_path(network, 1, 1).minima.tolist() == [1]


@pytest.mark.parametrize("weight", [[-1.0, 0.0], [np.nan, 0.0], [1.0], [[1.0], [2.0]]])
def test_weights_are_checked(random_network, weight):
    with pytest.raises(InputError, match="weights of at least 0"):
        fastest_path(random_network(5, 2), 0, 1, weight=np.array(weight))


def test_ends_are_checked(random_network):
    with pytest.raises(InputError, match="rows of 5 minima"):
        minimax_path(random_network(5, 2), 0, 5)
