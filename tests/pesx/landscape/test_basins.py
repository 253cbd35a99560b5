import numpy as np
import pytest

from pesx.landscape.basins import monotonic_basins
from pesx.landscape.network import Network, StationaryPoints, to_networkx


def test_by_hand():
    # 4 sees 2 and 3 and steps to the lower, 2, which steps on to 0; 3 is a bottom of its own, though 4 is its neighbour.
    network = Network.build(
        StationaryPoints.of([0.0, 0.2, 1.0, 1.5, 2.0, 0.1]),
        StationaryPoints.of([3.0, 3.0, 9.0, 3.0, 5.0]),
        first=[0, 4, 4, 1, 3],
        second=[2, 3, 2, 2, 3],
    )
    assert monotonic_basins(network).tolist() == [0, 1, 0, 3, 0, 5]


@pytest.mark.parametrize("seed", range(5))
def test_every_step_leads_to_the_lowest_neighbour(random_network, seed):
    network = random_network(50, 120, seed)
    graph, bottom = to_networkx(network), monotonic_basins(network)
    order = {int(row): place for place, row in enumerate(np.argsort(network.minima.energy, kind="stable"))}
    for row in graph:
        lowest = min([row, *graph[row]], key=order.__getitem__)
        assert bottom[row] == (row if lowest == row else bottom[lowest])


def test_no_transition_states_no_basins_but_their_own(random_network):
    assert monotonic_basins(random_network(4, 0)).tolist() == [0, 1, 2, 3]
