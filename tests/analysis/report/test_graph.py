import pytest

from pesx.analysis.report.graph import graph
from pesx.units import KCAL_PER_MOL as KCAL


def test_nodes_of_three_joined_minima_and_one_apart(material):
    made = material(
        [-1.0, -1.0 + 1 * KCAL, -1.0 + 2 * KCAL, -1.0 + 3 * KCAL],
        saddles=[(-1.0 + 4 * KCAL, 0, 1), (-1.0 + 5 * KCAL, 1, 2), (-1.0 + 9 * KCAL, 2, 0)],
    )
    shown = graph(made)
    assert shown["n_leaves"] == 4
    assert shown["number"] == [0, 1, 2, 3, 0, 1]
    assert shown["energy"] == [pytest.approx(value) for value in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)]
    assert shown["parent"] == [4, 4, 5, -1, 5, -1]
    assert shown["has_joins"]
    assert shown["place"][4] == shown["place"][0]  # a join stands above its lowest minimum
    assert shown["bottom"] < 0 < 5 < shown["top"]
    text = "; ".join(shown["notes"])
    assert "4 minima, 3 transition states" in text
    assert "1 minimum not known to be connected (dashes)" in text
    assert "kcal/mol" in text


def test_minima_without_an_energy_are_counted(material):
    shown = graph(material([float("inf"), -1.0, 0.0], saddles=[(0.5, 1, 2), (0.6, 0, 1)]))
    assert shown["number"] == [1, 2, 0]
    assert "left out: 1 minimum without an energy, 1 transition state without an energy or an end" in shown["notes"]


def test_no_ways_are_known(material):
    shown = graph(material([0.0, 0.1]))
    assert shown["parent"] == [-1, -1]
    assert not shown["has_joins"]
    assert "no way between them is known" in shown["notes"]


def test_one_minimum_has_an_axis_that_suits(material):
    shown = graph(material([-1767.0]))
    assert (shown["bottom"], shown["top"]) == (-0.5, 0.5)
    assert shown["energy"] == [0.0]


@pytest.mark.parametrize("energy", [[], [float("inf")]])
def test_nothing_to_draw(material, energy):
    assert graph(material(energy)) == {
        "left_out": "There is no graph, because no minimum with an energy was found yet."
    }
