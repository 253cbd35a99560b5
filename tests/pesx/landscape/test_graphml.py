from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from pesx.errors import RunFolderError
from pesx.landscape.graphml import read_graphml, write_graphml
from pesx.landscape.network import to_networkx


def test_what_was_written_comes_back(tmp_path, random_network):
    network = random_network(12, 30)
    names, score = np.array(["R", "", "S"] * 4), np.where(np.arange(12) == 3, np.nan, 0.5)
    minima = replace(network.minima, properties={"chemistry": names, "score": score, "visits": np.arange(12)})
    network = replace(network, minima=minima, unit="kcal/mol")
    write_graphml(network, tmp_path / "network.graphml")
    copy = read_graphml(tmp_path / "network.graphml")
    for points, same in ((network.minima, copy.minima), (network.transition_states, copy.transition_states)):
        for name in ("energy", "log_product", "order", "number"):
            np.testing.assert_array_equal(getattr(same, name), getattr(points, name))
    assert copy.minima.properties["chemistry"].tolist() == names.tolist()
    np.testing.assert_array_equal(copy.minima.properties["score"], score)
    assert copy.minima.properties["visits"].tolist() == list(range(12))
    np.testing.assert_array_equal(copy.first, network.first)
    np.testing.assert_array_equal(copy.second, network.second)
    assert copy.unit == "kcal/mol"


def test_networkx_reads_it(tmp_path, random_network):
    network = random_network(12, 30)
    write_graphml(network, tmp_path / "network.graphml")
    graph = nx.read_graphml(tmp_path / "network.graphml", node_type=int, force_multigraph=True)
    expected = to_networkx(network)
    assert graph.number_of_nodes() == 12
    assert sorted(map(sorted, graph.edges())) == sorted(map(sorted, expected.edges()))


def test_the_same_network_gives_the_same_file(tmp_path, random_network):
    for name in ("a", "b"):
        write_graphml(random_network(12, 30), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_graph_of_another_program(tmp_path):
    graph = nx.Graph()
    graph.add_node("low", energy=0.0)
    graph.add_node("high", energy=1)
    graph.add_edge("high", "low", energy=2.5)
    nx.write_graphml(graph, tmp_path / "network.graphml")
    network = read_graphml(tmp_path / "network.graphml")
    assert network.minima.energy.tolist() == [0.0, 1.0]
    assert sorted([network.first[0], network.second[0]]) == [0, 1]
    assert network.unit == ""


def test_a_single_minimum_and_none(tmp_path, random_network):
    for n in (0, 1):
        write_graphml(random_network(n, 0) if n else empty(random_network), tmp_path / "network.graphml")
        assert len(read_graphml(tmp_path / "network.graphml").minima) == n


def empty(random_network):
    return random_network(1, 0).take(np.array([False]))


def test_files_that_are_something_else(tmp_path):
    path = tmp_path / "network.graphml"
    with pytest.raises(RunFolderError, match="Expected GraphML"):
        read_graphml(path)
    path.write_text("not xml")
    with pytest.raises(RunFolderError, match="Expected GraphML"):
        read_graphml(path)
    nx.write_graphml(nx.path_graph(3), path)
    with pytest.raises(RunFolderError, match="energy for every node"):
        read_graphml(path)


def test_missing_energies_of_edges_are_told(tmp_path):
    graph = nx.Graph([(0, 1)])
    nx.set_node_attributes(graph, 1.0, "energy")
    nx.write_graphml(graph, tmp_path / "network.graphml")
    with pytest.raises(RunFolderError, match="energy for every edge"):
        read_graphml(tmp_path / "network.graphml")
