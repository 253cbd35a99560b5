import csv

import numpy as np
import pytest

from pesx.analysis import disconnectivity, write_disconnectivity
from pesx.analysis.disconnectivity import axis_unit
from pesx.errors import InputError
from pesx.landscape.basins import monotonic_basins
from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.tree import Tree
from pesx.units import KCAL_PER_MOL


def fan(heights) -> Network:
    """Minima of energy 1, each joined to one at 0 at its height."""
    n = len(heights)
    minima = StationaryPoints.of([0.0, *np.ones(n)])
    return Network.build(minima, StationaryPoints.of(heights), first=[0] * n, second=range(1, n + 1), unit="epsilon")


def test_few_minima_are_joined_at_their_exact_energies(landscape):
    network = landscape(60)
    graph = disconnectivity(network)
    assert graph.spacing == 0
    np.testing.assert_array_equal(graph.tree.energy, Tree.of(network).energy)
    assert graph.notes == ("60 minima, 59 transition states",)
    assert graph.bottom < network.minima.energy.min() < graph.tree.energy.max() < graph.top


def test_many_are_joined_at_round_levels(landscape):
    graph = disconnectivity(landscape(300))
    steps = (graph.tree.energy[300:] - graph.tree.energy[:300].min()) / graph.spacing
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert 20 < steps.max() < 80
    spacing = graph.spacing / KCAL_PER_MOL
    assert float(f"{spacing:.1e}"[:3]) in (1, 2, 2.5, 5)
    assert graph.notes[-1] == f"joins drawn at levels {spacing:.4g} kcal/mol apart"
    assert disconnectivity(landscape(300), levels=0).spacing == 0
    assert disconnectivity(landscape(20), levels=10).spacing > 0


def test_a_choice_keeps_the_joins_and_is_said(landscape):
    network = landscape(100)
    graph = disconnectivity(network, lowest=10, levels=0)
    tree = Tree.of(network)
    rows = np.sort(np.argsort(network.minima.energy)[:10])
    np.testing.assert_array_equal(graph.tree.minimum, rows)
    expected = tree.join_energy(rows[:, None], rows[None])
    np.testing.assert_array_equal(graph.tree.join_energy(*np.indices((10, 10))), expected)
    assert graph.notes[:2] == ("10 of 100 minima, 99 transition states", "not drawn: 90 of higher energy")


def test_barriers_and_basins(landscape):
    network = landscape(200)
    graph = disconnectivity(network, min_barrier=0.5)
    assert (Tree.of(network).barriers[graph.tree.minimum] >= 0.5).all()
    n_shallow = int((Tree.of(network).barriers < 0.5).sum())
    assert f"{n_shallow} with barriers below 11.53 kcal/mol" in graph.notes[1]
    graph = disconnectivity(network, is_by_basin=True)
    assert set(graph.tree.minimum) == set(monotonic_basins(network))
    assert "inside monotonic-sequence basins" in graph.notes[1]


def test_one_join_far_above_does_not_stretch_the_axis():
    graph = disconnectivity(fan([*np.linspace(1.5, 4, 40), 60.0, 90.0]))
    assert graph.top < 6
    assert graph.tree.n_leaves == 43
    assert graph.is_open.sum() == 3
    assert "2 joins and 0 minima above the axis, up to 90 ε" in graph.notes
    assert not any("connected" in note for note in graph.notes)
    assert disconnectivity(fan([*np.linspace(1.5, 4, 40), 60.0, 90.0]), max_height=100.0).top > 90
    assert disconnectivity(fan(np.linspace(1.5, 10, 40))).top > 10


def test_the_axis_ends_where_it_is_told_to():
    heights = [1.5, 2.0, 5.0]
    network = fan(heights)
    graph = disconnectivity(network, max_height=3.0)
    assert graph.tree.energy[graph.tree.n_leaves :].tolist() == [1.5, 2.0]
    assert graph.is_open.tolist() == [False, False, False, True, False, True]
    graph = disconnectivity(network, max_height=0.5)
    assert graph.tree.n_leaves == 1
    assert "3 joins and 3 minima above the axis, up to 5 ε" in graph.notes
    with pytest.raises(InputError, match="max_height of at least 0"):
        disconnectivity(network, max_height=-1.0)
    high = Network.build(StationaryPoints.of([0.0, 5.0]), StationaryPoints.of([]), first=[], second=[])
    with pytest.raises(InputError, match="some minima are below"):
        disconnectivity(high, component_of=1, max_height=1.0)


def test_what_is_not_connected_is_said():
    network = Network.build(
        StationaryPoints.of([0.0, 1.0, 2.0, 3.0, 4.0, float("nan")]),
        StationaryPoints.of([5.0, 6.0, 0.5]),
        first=[0, 2, 0],
        second=[1, 3, 1],
        unit="epsilon",
    )
    graph = disconnectivity(network)
    assert graph.notes == (
        "5 minima, 2 transition states",
        "left out: 1 minimum without an energy, 1 transition state below one of their minima",
        "2 parts not known to be connected (dotted)",
        "1 minimum not known to be connected (dashes)",
    )
    graph = disconnectivity(network, component_of=3)
    assert graph.tree.minimum.tolist() == [2, 3]
    assert "not drawn: 3 not known to be connected to minimum 3" in graph.notes
    with pytest.raises(InputError, match="row of 5 minima; came 5"):
        disconnectivity(network, component_of=5)


@pytest.mark.parametrize("n", [1, 4])
def test_no_transition_states(n):
    network = Network.build(StationaryPoints.of(np.ones(n)), StationaryPoints.of([]), first=[], second=[])
    graph = disconnectivity(network)
    assert graph.bottom < 1 < graph.top
    assert ("no way between them is known" in graph.notes) == (n > 1)


def test_no_minima():
    network = Network.build(StationaryPoints.of([float("nan")]), StationaryPoints.of([]), first=[], second=[])
    with pytest.raises(InputError, match="at least one minimum"):
        disconnectivity(network)


@pytest.mark.parametrize(
    "change", [{"lowest": 0}, {"levels": -1}, {"min_barrier": -0.1}, {"min_barrier": float("nan")}]
)
def test_settings_are_checked(landscape, change):
    with pytest.raises(InputError, match=f"{next(iter(change))} of at least"):
        disconnectivity(landscape(5), **change)


def test_units(landscape):
    assert axis_unit(landscape(2)) == (KCAL_PER_MOL, "kcal/mol")
    assert axis_unit(landscape(2, unit="epsilon")) == (1.0, "ε")
    assert axis_unit(landscape(2, unit="kJ/mol")) == (1.0, "kJ/mol")


def test_the_table_has_every_node(landscape, tmp_path):
    network = landscape(100)
    graph = disconnectivity(network, lowest=20, levels=15)
    write_disconnectivity(graph, tmp_path / "graph.csv")
    with (tmp_path / "graph.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(graph.tree.parent)
    leaves = [row for row in rows if row["kind"] == "minimum"]
    assert [int(row["number"]) for row in leaves] == graph.tree.minimum.tolist()
    assert [int(row["visits"]) for row in leaves] == network.minima.properties["visits"][graph.tree.minimum].tolist()
    joins = rows[20:]
    exact = [float(row["energy_ev"]) for row in joins]
    states = network.transition_states.energy[[int(row["number"]) for row in joins]]
    np.testing.assert_allclose(exact, states, atol=1e-9)
    lifted = np.array([float(row["drawn_at_ev"]) for row in joins]) - exact
    assert ((lifted >= -1e-9) & (lifted <= graph.spacing + 1e-9)).all()
    assert [int(row["parent"] or -1) for row in rows] == graph.tree.parent.tolist()
