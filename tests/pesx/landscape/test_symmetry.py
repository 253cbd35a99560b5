import numpy as np
import pytest
import torch

from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.symmetry import with_point_groups


def structures():
    """A square (D4h, 16 operations), a rectangle (D2h, 8), and a chain without any (C1)."""
    square = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [-1.0, 0, 0], [0, -1.0, 0]])
    rectangle = torch.tensor([[1.0, 2.0, 0], [-1.0, 2.0, 0], [-1.0, -2.0, 0], [1.0, -2.0, 0]])
    chain = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [1.0, 2.0, 0], [1.0, 2.0, 3.0]])
    return torch.stack([square, rectangle, chain]).double()


@pytest.mark.parametrize(("mirror", "minima", "states"), [("merge", [16, 1], [8]), ("distinct", [8, 1], [4])])
def test_orders_go_to_the_rows_of_the_network(mirror, minima, states):
    network = Network.build(StationaryPoints.of([0.0, np.nan, 1.0]), StationaryPoints.of([2.0]), first=[0], second=[2])
    found = with_point_groups(network, (structures(), structures()[1:2]), torch.full((4,), 18), mirror=mirror)
    assert found.minima.number.tolist() == [0, 2]
    assert found.minima.order.tolist() == minima
    assert found.transition_states.order.tolist() == states


def test_an_atom_in_a_field_has_no_symmetry():
    network = Network.build(StationaryPoints.of([0.0]), StationaryPoints.of([]), first=[], second=[])
    nowhere = torch.zeros(1, 1, 3).double(), torch.zeros(0, 1, 3).double()
    for mirror in ("merge", "distinct"):
        found = with_point_groups(network, nowhere, torch.tensor([18]), mirror=mirror)
        assert found.minima.order.tolist() == [1]
