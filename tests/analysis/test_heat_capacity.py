import csv
from math import exp

import numpy as np
import pytest
from matplotlib import rc_context

from pesx.analysis.heat_capacity import draw_heat_capacity, heat_capacity, write_heat_capacity
from pesx.landscape.network import Network, StationaryPoints, moment_columns
from pesx.thermodynamics.harmonic_network import HarmonicNetwork
from pesx.thermodynamics.vibrations import Vibrations
from pesx.thermodynamics.wells import Harmonic
from pesx.units import BOLTZMANN, KCAL_PER_MOL


def levels(unit, statistics="classical", gap=0.1):
    """Two wells alike, of four atoms, apart in energy."""
    points = StationaryPoints.of(
        [-1.0, -1.0 + gap], log_product=[2.0, 2.0], properties=moment_columns(np.tile([1.0, 2.0, 3.0], (2, 1)))
    )
    network = Network.build(points, StationaryPoints.of([]), first=[], second=[], unit=unit)
    return HarmonicNetwork.of(network, Vibrations(), n_atoms=4, harmonic=Harmonic(statistics))


def schottky(x):
    return x**2 * exp(-x) / (1 + exp(-x)) ** 2


def test_two_levels_in_reduced_units():
    found = heat_capacity(levels("epsilon"), np.array([0.05, 0.1]))
    assert found.within == pytest.approx([6.0, 6.0])
    assert found.heat_capacity == pytest.approx([6.0 + schottky(2.0), 6.0 + schottky(1.0)])
    assert found.energy[1] == pytest.approx(0.1 * exp(-1) / (1 + exp(-1)) + 6 * 0.1)
    assert (found.temperature_unit, found.energy_unit, found.heat_capacity_unit) == ("epsilon", "ε", "k")


def test_two_levels_in_kelvin_and_calories():
    kelvin = 0.1 / BOLTZMANN
    found = heat_capacity(levels("eV", "none"), np.array([kelvin]))
    assert found.heat_capacity == pytest.approx([1.987204 * schottky(1.0)], rel=1e-6)
    assert found.energy == pytest.approx([0.1 / KCAL_PER_MOL * exp(-1) / (1 + exp(-1))])
    assert (found.temperature_unit, found.energy_unit, found.heat_capacity_unit) == ("K", "kcal/mol", "cal/(mol K)")


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("epsilon", ["kt_epsilon", "energy_epsilon", "heat_capacity_k", "within_minima_k"]),
        (
            "eV",
            ["temperature_k", "energy_kcal_per_mol", "heat_capacity_cal_per_mol_k", "within_minima_cal_per_mol_k"],
        ),
    ],
)
def test_table(tmp_path, unit, names):
    found = heat_capacity(levels(unit), np.array([0.05, 0.1]))
    write_heat_capacity(found, tmp_path / "cv.csv")
    with (tmp_path / "cv.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == names
    np.testing.assert_allclose(np.array(rows[1:], dtype=float)[:, 2], found.heat_capacity)


def test_figure(tmp_path):
    found = heat_capacity(levels("epsilon"), np.linspace(0.01, 0.2, 30))
    with rc_context({"svg.fonttype": "none"}):
        draw_heat_capacity(found, tmp_path / "cv.svg", title="Two", notes=("no translation",))
    text = (tmp_path / "cv.svg").read_text()
    assert all(words in text for words in ("heat capacity, k", "kT, ε", "in all", "each alone", "no translation"))
