import numpy as np
import pytest
from matplotlib.colors import to_rgba

from pesx.analysis.colouring import BLACK, Colouring
from pesx.analysis.style import COLOURS
from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.tree import Tree


def coloured(values, name="what") -> Colouring:
    """Colour four minima: 0 and 1 are joined first, then 2, then 3."""
    minima = StationaryPoints.of([0.0, 0.1, 0.2, 0.3], properties={name: values})
    network = Network.build(minima, StationaryPoints.of([1.0, 2.0, 3.0]), first=[0, 1, 2], second=[1, 2, 3])
    return Colouring.of(Tree.of(network), minima, name)


def test_a_join_has_the_colour_of_its_group_if_it_has_one():
    found = coloured(["b", "b", "b", "a"])
    blue, orange = to_rgba(COLOURS[1]), to_rgba(COLOURS[2])
    expected = [orange, orange, orange, blue, orange, orange, to_rgba(BLACK)]
    np.testing.assert_allclose(found.colours, expected)
    assert found.groups == {"a": COLOURS[1], "b": COLOURS[2]}
    assert found.limits is None


def test_whole_numbers_and_truth_values_are_groups():
    assert list(coloured([0, 2, 2, 0]).groups) == ["0", "2"]
    assert list(coloured([True, False, True, True]).groups) == ["False", "True"]
    assert list(coloured(["", "x", "x", "x"]).groups) == ["none", "x"]


def test_other_numbers_are_a_scale_and_joins_stay_black():
    found = coloured([0.0, 1.5, 3.0, float("nan")], "end_to_end")
    assert found.limits == (0.0, 3.0)
    assert found.label == "end to end"
    assert len(np.unique(found.colours[:4], axis=0)) == 4
    np.testing.assert_allclose(found.colours[4:], [to_rgba(BLACK)] * 3)
    assert list(found.groups) == ["not known (1)"]
    assert coloured([2.0] * 4).limits == (1.5, 2.5)
    assert list(coloured([float("nan")] * 4).groups) == ["not known (4)"]


def test_groups_beyond_the_palette_are_grey():
    minima = StationaryPoints.of(np.arange(30.0), properties={"key": [f"k{min(k, 9)}" for k in range(30)]})
    network = Network.build(minima, StationaryPoints.of([]), first=[], second=[])
    found = Colouring.of(Tree.of(network), minima, "key")
    assert len(found.groups) == 8
    assert "k9" in found.groups  # the most frequent
    assert list(found.groups)[-1] == "3 others"


def test_energy_or_nothing(landscape):
    network = landscape(20)
    tree = Tree.of(network)
    energy = network.minima.energy
    assert Colouring.of(tree, network.minima, "energy").limits == (energy.min(), energy.max())
    assert len(np.unique(Colouring.of(tree, network.minima, None).colours, axis=0)) == 1
    with pytest.raises(InputError, match=r"out of energy, visits, chemistry.*'colour'"):
        Colouring.of(tree, network.minima, "colour")
