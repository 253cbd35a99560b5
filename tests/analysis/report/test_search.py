import numpy as np
import pytest

from pesx.analysis.report.search import discovery_curve, energies, round_edges
from pesx.units import KCAL_PER_MOL as KCAL


def test_the_curve_ends_at_what_was_found(material):
    curve = discovery_curve(material([0.0, 0.1], ends=[0, -1, 0, 1]))
    assert curve["n_quenches"] == [1, 2, 3, 4]
    assert curve["n_minima"] == [1, 1, 1, 2]
    assert curve["n_evaluations"] == [10, 20, 30, 40]
    assert curve["unseen_mass"] == [1.0, 1.0, 0.0, pytest.approx(1 / 3, abs=1e-6)]


def test_energies_are_counted_by_kind(material):
    made = material([-1.0, -1.0 + 0.1 * KCAL, -1.0 + 10.3 * KCAL, float("inf")], novelty={0: "no", 1: "yes"})
    shown = energies(made)
    assert shown["n_without"] == 1
    assert set(shown["counts"]) == {"known", "new", "not compared"}
    assert [sum(counts) for counts in shown["counts"].values()] == [1, 1, 1]
    row = shown["counts"]["not compared"].index(1)
    assert shown["edges"][row] <= 10.3 < shown["edges"][row + 1]


def test_without_novelty_there_is_one_kind(material):
    assert list(energies(material([0.0, 1.0]))["counts"]) == ["minima"]


@pytest.mark.parametrize("highest", [0.0, 1e-6, 0.37, 19.99, 20.0, 4321.0])
def test_edges_are_round_and_hold_all(highest):
    edges = round_edges(highest)
    width = edges[1] - edges[0]
    np.testing.assert_allclose(np.diff(edges), width)
    assert edges[0] == 0
    assert edges[-2] <= max(highest, 1.0 if highest == 0 else highest) < edges[-1] * (1 + 1e-12)
    digits = float(f"{width:.6e}".split("e")[0])
    assert round(digits, 6) in (1, 2, 2.5, 5)
    assert 10 <= len(edges) <= 60


def test_an_empty_run(material):
    made = material([])
    assert discovery_curve(made)["left_out"].startswith("There is no discovery curve")
    assert energies(made)["left_out"].startswith("There is no distribution")
