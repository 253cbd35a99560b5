import networkx as nx
import numpy as np
import pytest
import torch

from pesx.errors import InputError
from pesx.landscape.network import LeftOut, Network, StationaryPoints, principal_moments, to_networkx
from pesx.landscape.records import Connections, Searches, StoredTransitionStates

NAN = float("nan")


def network(energy, states, **columns) -> Network:
    """Make a network from energies and (first, second, energy) of transition states."""
    first, second, height = zip(*states, strict=True) if states else ((), (), ())
    points = StationaryPoints.of(energy, **columns)
    return Network.build(points, StationaryPoints.of(height), first=first, second=second)


def test_what_cannot_be_used_is_left_out_and_counted():
    found = network(
        [0.0, NAN, 1.0, 2.0],
        [(0, 2, 3.0), (0, 1, 3.0), (2, 3, NAN), (2, 3, 1.5), (3, 3, 2.0), (0, 3, float("inf"))],
    )
    assert found.minima.energy.tolist() == [0.0, 1.0, 2.0]
    assert found.minima.number.tolist() == [0, 2, 3]
    assert found.transition_states.number.tolist() == [0, 4]
    assert (found.first.tolist(), found.second.tolist()) == ([0, 2], [1, 2])
    assert found.left_out == LeftOut(1, 3, 1)
    assert found.left_out.statement == (
        "left out: 1 minimum without an energy, 3 transition states without an energy or an end, "
        "1 transition state below one of their minima"
    )
    assert network([0.0], []).left_out.statement == ""


@pytest.mark.parametrize("end", [-1, 2])
def test_ends_must_exist(end):
    with pytest.raises(InputError, match="rows of 2 minima"):
        network([0.0, 1.0], [(0, end, 3.0)])


def test_a_network_holds_only_what_can_be_used():
    minima, states = StationaryPoints.of([0.0, 1.0]), StationaryPoints.of([0.5])
    ends = np.array([0]), np.array([1])
    with pytest.raises(InputError, match="above their minima"):
        Network(minima, states, *ends)
    with pytest.raises(InputError, match="finite energies"):
        Network(StationaryPoints.of([0.0, NAN]), states, *ends)
    with pytest.raises(InputError, match="two ends for each of 1"):
        Network(minima, StationaryPoints.of([2.0]), np.array([0, 1]), ends[1])
    with pytest.raises(InputError, match="one visits for each of 2 points"):
        StationaryPoints.of([0.0, 1.0], properties={"visits": [1]})


def test_parts_are_numbered_by_their_lowest_minima():
    found = network([1.0, 0.5, 3.0, 0.0], [(0, 2, 4.0), (1, 1, 2.0)])
    assert found.components().tolist() == [2, 1, 2, 0]
    assert found.lowest == 3


def test_parts_are_those_of_networkx(random_network):
    found = random_network(60, 40, 3)
    part = found.components()
    expected = {frozenset(nodes) for nodes in nx.connected_components(to_networkx(found))}
    assert {frozenset(np.flatnonzero(part == label).tolist()) for label in set(part.tolist())} == expected
    lowest = [found.minima.energy[part == label].min() for label in range(part.max() + 1)]
    assert lowest == sorted(lowest)


def test_the_lowest_of_each_pair_is_kept_without_loops(random_network):
    found = random_network(12, 80)
    simple = found.lowest_per_pair()
    expected = {}
    for i, j, energy in zip(found.first, found.second, found.transition_states.energy, strict=True):
        if i != j:
            pair = frozenset((int(i), int(j)))
            expected[pair] = min(energy, expected.get(pair, np.inf))
    ends = zip(simple.first.tolist(), simple.second.tolist(), strict=True)
    assert dict(zip(map(frozenset, ends), simple.transition_states.energy, strict=True)) == expected


def test_the_graph_has_every_loop_and_parallel_edge_with_its_properties():
    found = network(
        [0.0, 1.0], [(0, 1, 2.0), (1, 0, 3.0), (1, 1, 4.0)], properties={"visits": [5, 6]}, log_product=[NAN, 2]
    )
    graph = to_networkx(found)
    assert graph.number_of_edges() == 3
    assert graph.edges[1, 1, 2]["energy"] == 4.0
    assert graph.nodes[0] == {"energy": 0.0, "order": 1, "number": 0, "visits": 5}
    assert graph.nodes[1]["log_product"] == 2.0
    assert graph.graph == {"unit": "eV"}


def test_pruning_says_what_it_leaves_out():
    found = network([0.0, 1.0, 2.0, 3.0, 9.0], [(0, 1, 4.0), (1, 2, 5.0), (0, 3, 8.0)])
    whole, text = found.pruned(lowest=5)
    assert (len(whole.minima), len(whole.transition_states), text) == (5, 3, "")
    kept, text = found.pruned(lowest=2)
    assert kept.minima.number.tolist() == [0, 1]
    assert kept.transition_states.number.tolist() == [0]
    assert text == "2 of 5 minima; left out: 3 of higher energy"
    kept, text = found.pruned(component_of=2)
    assert kept.minima.number.tolist() == [0, 1, 2, 3]
    assert text == "4 of 5 minima; left out: 1 not connected"
    kept, text = found.pruned(max_energy=6.0, component_of=1)
    assert kept.minima.number.tolist() == [0, 1, 2]
    assert (kept.first.tolist(), kept.second.tolist()) == ([0, 1], [1, 2])
    assert text == "3 of 5 minima; left out: 1 minimum and 1 transition state above 6, 1 not connected"


def test_rows_by_number(random_network):
    found = random_network(5, 0)
    assert found.row_of(9) == 2
    with pytest.raises(InputError, match="one of 5 minima; came 3"):
        found.row_of(3)


def test_no_minima():
    with pytest.raises(InputError, match="at least one minimum"):
        _ = network([], []).lowest
    assert network([], []).components().tolist() == []
    assert len(to_networkx(network([], []))) == 0


def test_moments_of_a_rod():
    positions = torch.tensor([[[0.0, 0, 0], [2.0, 0, 0]]], dtype=torch.float64)
    moments = principal_moments(positions, torch.tensor([3.0, 6.0], dtype=torch.float64))
    np.testing.assert_allclose(moments[0], [0.0, 8.0, 8.0], atol=1e-12)  # reduced mass 2 times distance squared


def test_the_network_of_a_run(store, fill):
    fill(store)
    energy = store.minima().energy
    one = torch.ones(3, dtype=torch.float64)
    states = StoredTransitionStates(
        positions=torch.ones(3, 3, 3, dtype=torch.float64),
        energy=torch.tensor([2.0, 3.0, float(energy.min()) - 1]),
        fmax=one,
        curvature=-one,
        log_product=one,
        first=torch.tensor([0, 1, 0]),
        second=torch.tensor([1, 1, 1]),
        search=torch.tensor([0, 0, 0]),
        keys=["R"] * 3,
    )
    number = np.zeros(1, dtype=int)
    with store.transaction():
        store.add_transition_states(states)
        store.add_connections(Connections(number, number + 1, np.array(["hop"]), number + 1, number, number))
        store.add_searches(Searches(number, number + 1, number + 2.0, number, number))
    found = Network.of(store)
    assert found.minima.energy.tolist() == energy.tolist()
    assert found.minima.properties["visits"].tolist() == store.minima().visits.tolist()
    assert found.minima.properties["chemistry"].tolist() == ["R0", "R1"]
    assert (found.first.tolist(), found.second.tolist()) == ([0, 1], [1, 1])
    assert found.left_out == LeftOut(n_below=1)
    assert found.unit == "eV"
    masses, positions = store.molecule.masses, store.minima().positions
    centre = torch.einsum("n,mni->mi", masses, positions) / masses.sum()
    square = torch.einsum("n,mni->m", masses, (positions - centre[:, None]) ** 2) / masses.sum()
    np.testing.assert_allclose(found.minima.properties["radius_of_gyration"], square.sqrt())
