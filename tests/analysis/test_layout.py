import numpy as np
import pytest

from pesx.analysis.layout import layout, lines
from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.tree import Tree


def segments(tree: Tree, slant: float) -> np.ndarray:
    place, turn = layout(tree, slant)
    points = lines(tree, place, turn)[tree.parent >= 0]
    parts = np.concatenate([points[:, :2], points[:, 1:]])
    return parts[(parts[:, 0] != parts[:, 1]).any(axis=1)]


def cross(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two segments meet anywhere but at their ends."""

    def side(p, q, r):
        return np.sign(round(float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])), 12))

    return side(*a, b[0]) * side(*a, b[1]) < 0 and side(*b, a[0]) * side(*b, a[1]) < 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("spacing", "slant"), [(0.0, 0.25), (0.25, 0.25), (0.25, 0.6)])
def test_no_lines_cross(landscape, seed, spacing, slant):
    tree = Tree.of(landscape(30, seed))
    if spacing:
        tree = tree.binned(tree.energy.min() + spacing * np.arange(1, 60))
    parts = segments(tree, slant)
    assert not any(cross(a, b) for k, a in enumerate(parts) for b in parts[:k])


def test_minima_have_places_of_their_own_and_joins_stand_above_their_lowest(landscape):
    tree = Tree.of(landscape(100))
    place, turn = layout(tree, 0.1)
    np.testing.assert_allclose(np.sort(place[:100]), np.arange(100) + 0.5)
    np.testing.assert_array_equal(place, place[tree.lowest])
    inner = np.flatnonzero(tree.parent >= 0)
    assert (turn[inner] >= tree.energy[inner]).all()
    assert (turn[inner] <= tree.energy[tree.parent[inner]]).all()


def test_the_lowest_minimum_is_in_the_middle_of_a_fan():
    n = 41
    network = Network.build(
        StationaryPoints.of([0.0, *np.ones(n - 1)]), StationaryPoints.of(np.linspace(2, 3, n - 1)), first=[0] * (n - 1),
        second=range(1, n),
    )  # fmt: skip
    place, _ = layout(Tree.of(network), 0.1)
    assert place[0] == n / 2
    # The later one is joined, the farther it is from the middle.
    assert (np.diff(np.abs(place[1:n] - place[0])[::2]) > 0).all()


def test_parts_are_side_by_side_and_isolated_minima_share_little_room():
    network = Network.build(
        StationaryPoints.of(np.arange(60.0)), StationaryPoints.of([70.0, 71.0, 72.0]), first=[0, 0, 3], second=[1, 2, 4]
    )
    tree = Tree.of(network)
    place, _ = layout(tree, 1.0)
    assert len(np.unique(place[:60])) == 60
    joined = place[:5]
    assert sorted(joined.tolist()) == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert place[5:60].min() > joined.max()
    assert np.ptp(place[5:60]) < 0.2 * 5
    assert np.isnan(lines(tree, place, place)[5:60]).all()


def test_minima_without_ways_are_spread_evenly():
    network = Network.build(StationaryPoints.of([2.0, 1.0, 3.0]), StationaryPoints.of([]), first=[], second=[])
    assert layout(Tree.of(network), 1.0)[0].tolist() == [1.5, 0.5, 2.5]
