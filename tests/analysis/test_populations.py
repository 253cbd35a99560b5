import csv
from math import log

import numpy as np
import pytest
from matplotlib import rc_context

from pesx.analysis.populations import draw_populations, populations, write_populations
from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints
from pesx.thermodynamics.harmonic_network import HarmonicNetwork
from pesx.thermodynamics.vibrations import Vibrations
from pesx.thermodynamics.wells import Harmonic

WEIGHTS = np.array([2.0, 8.0, 1.0, 4.0])
KT = 0.5


def wells(n_more=0):
    """Minima 10 to 13 of weights 2, 8, 1, 4 at KT; 11 and 13 in one basin, 10 and 12 in another."""
    energy = np.concatenate((-KT * np.log(WEIGHTS), np.linspace(1.0, 2.0, n_more)))
    keys = np.array(["t", "c", "t", "t"] + ["c"] * n_more)
    properties = {"chemistry": keys, **{f"inertia_{axis}": np.full(len(energy), axis * 1.0) for axis in (1, 2, 3)}}
    minima = StationaryPoints.of(energy, number=10 + np.arange(len(energy)), properties=properties)
    states = StationaryPoints.of([1.0, 1.5])
    network = Network.build(minima, states, first=[1, 0], second=[3, 2], unit="epsilon")
    return HarmonicNetwork.of(network, Vibrations(), n_atoms=4, harmonic=Harmonic("none"))


def test_each_minimum_the_lowest_first():
    found = populations(wells(), np.array([KT, 1e9]))
    assert found.names == ["11", "13", "10", "12"]
    assert found.members == [[11], [13], [10], [12]]
    assert found.share[0] == pytest.approx(np.array([8, 4, 2, 1]) / 15)
    assert found.share[1] == pytest.approx([0.25] * 4)
    assert found.free_energy[0] == pytest.approx(KT * np.log(8 / np.array([8, 4, 2, 1])))
    assert found.height == pytest.approx(KT * np.log(8 / np.array([8, 4, 2, 1])))


def test_groups_add_up():
    found = populations(wells(), np.array([KT]), by="chemistry")
    assert (found.names, found.members) == (["c", "t"], [[11], [13, 10, 12]])
    assert found.share[0] == pytest.approx([8 / 15, 7 / 15])
    assert found.free_energy[0] == pytest.approx([0.0, KT * log(8 / 7)])
    found = populations(wells(), np.array([KT]), by="basin")
    assert (found.names, found.members) == (["of 11", "of 10"], [[11, 13], [10, 12]])
    assert found.share[0] == pytest.approx([12 / 15, 3 / 15])


def test_the_group_with_most_need_not_be_the_lowest():
    minima = StationaryPoints.of([0.0, 0.1, 0.1, 0.1], properties={"chemistry": np.array(["a", "b", "b", "b"])})
    network = Network.build(minima, StationaryPoints.of([]), first=[], second=[], unit="epsilon")
    bent = {f"inertia_{axis}": np.ones(4) * axis for axis in (1, 2, 3)}
    network.minima.properties.update(bent)
    found = HarmonicNetwork.of(network, Vibrations(), n_atoms=4, harmonic=Harmonic("none"))
    shares = populations(found, np.array([1.0]), by="chemistry")
    assert shares.names == ["a", "b"]
    assert shares.free_energy[0, 1] == 0.0
    assert shares.free_energy[0, 0] == pytest.approx(log(3) - 0.1)


def test_the_largest_at_any_temperature():
    found = populations(wells(n_more=5), np.array([KT, 3.0]))
    assert found.largest(2) == [0, 1]
    assert len(found.largest(100)) == 9


def test_unknown_groups_are_refused():
    with pytest.raises(InputError, match="chemistry or basin"):
        populations(wells(), np.array([KT]), by="colour")


def test_table_and_figure(tmp_path):
    found = populations(wells(n_more=8), np.linspace(0.1, 1.0, 20))
    write_populations(found, tmp_path / "shares.csv")
    with (tmp_path / "shares.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:3] == ["kt_epsilon", "minimum 11", "minimum 13"]
    np.testing.assert_allclose(np.array(rows[1:], dtype=float)[:, 1:].sum(axis=1), 1.0, rtol=1e-6)
    with rc_context({"svg.fonttype": "none"}):
        draw_populations(found, tmp_path / "shares.svg", title="Many")
    text = (tmp_path / "shares.svg").read_text()
    assert all(words in text for words in ("minimum 11", "5 others", "population", ">Many<"))
