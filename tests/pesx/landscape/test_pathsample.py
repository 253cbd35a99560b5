import os
from pathlib import Path

import numpy as np
import pytest

from pesx.errors import RunFolderError, WrongFolderError
from pesx.landscape.pathsample import read_pathsample, read_points, write_pathsample
from pesx.landscape.tree import Tree

MINIMA = """
     -3.5000000000   120.5  2   1.0  2.0  3.0
     -2.0000000000   136.0  1   4.0  5.0  6.0

     -1.0D+00        130.0  1   7.0  8.0  9.0
"""
STATES = """
     -0.5   134.5  1  1  2   1.5  2.5  3.5
      0.25  133.5  2  3  3   4.5  5.5  6.5
"""


def write(folder: Path, minima: str = MINIMA, states: str | None = STATES) -> Path:
    (folder / "min.data").write_text(minima)
    if states is not None:
        (folder / "ts.data").write_text(states)
    return folder


def test_a_database_is_read(tmp_path):
    network = read_pathsample(write(tmp_path), unit="epsilon")
    assert network.minima.energy.tolist() == [-3.5, -2.0, -1.0]
    assert network.minima.log_product.tolist() == [120.5, 136.0, 130.0]
    assert network.minima.order.tolist() == [2, 1, 1]
    assert network.minima.number.tolist() == [1, 2, 3]
    assert network.minima.properties["inertia_2"].tolist() == [2.0, 5.0, 8.0]
    assert network.transition_states.energy.tolist() == [-0.5, 0.25]
    assert network.transition_states.order.tolist() == [1, 2]
    assert network.transition_states.properties["inertia_3"].tolist() == [3.5, 6.5]
    assert (network.first.tolist(), network.second.tolist()) == ([0, 2], [1, 2])
    assert network.unit == "epsilon"


def test_without_transition_states(tmp_path):
    network = read_pathsample(write(tmp_path, states=None))
    assert (len(network.minima), len(network.transition_states), network.unit) == (3, 0, "")


def test_frequencies_of_zero_are_not_known(tmp_path):
    network = read_pathsample(write(tmp_path, "1.0 0.0 1 0 0 0\n2.0 0.0 1 0 0 0\n", "3.0 0.0 1 1 2 0 0 0\n"))
    assert np.isnan(network.minima.log_product).all()
    assert np.isnan(network.transition_states.log_product).all()


def test_a_minimum_without_energy_is_left_out_and_its_line_counts(tmp_path):
    network = read_pathsample(write(tmp_path, MINIMA.replace("-2.0000000000", "NaN")))
    assert network.minima.number.tolist() == [1, 3]
    assert network.transition_states.number.tolist() == [2]
    assert (network.left_out.n_minima, network.left_out.n_transition_states) == (1, 1)


@pytest.mark.parametrize(
    ("minima", "states", "words"),
    [
        (MINIMA.replace("-2.0000000000", "*************"), STATES, r"line 3 of .*min\.data; came could not convert"),
        (MINIMA.replace("8.0  9.0", "8.0"), STATES, r"6 \(energy.* line 5 of .*min\.data; came 5 columns"),
        (MINIMA, STATES.replace("3  3", "3  4"), r"minima 1 to 3 in line 3 of .*ts\.data; came 3 and 4"),
        (MINIMA, STATES.replace("1  2 ", "0  2 "), r"line 2 of .*ts\.data; came 0 and 2"),
        (MINIMA, STATES.replace("1  2 ", "nan  2 "), r"line 2 of .*ts\.data"),
        (MINIMA.replace("120.5  2 ", "120.5  nan "), STATES, r"point group in line 2 of .*min\.data; came nan"),
        (MINIMA, STATES + "1.0", r"8 \(energy.* line 4 of .*ts\.data; came 1 columns"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, minima, states, words):
    with pytest.raises(RunFolderError, match=words):
        read_pathsample(write(tmp_path, minima, states))


def test_another_file_or_none(tmp_path):
    with pytest.raises(WrongFolderError, match=r"no min\.data"):
        read_pathsample(tmp_path)
    (tmp_path / "min.data").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(RunFolderError, match="Expected text"):
        read_pathsample(tmp_path)


def test_what_was_written_comes_back(tmp_path):
    network = read_pathsample(write(tmp_path), unit="epsilon")
    points = np.arange(36.0).reshape(3, 4, 3), np.arange(24.0).reshape(2, 4, 3)
    write_pathsample(network, tmp_path / "copy", points=points, lengths=("sigma", "u sigma^2"))
    copy = read_pathsample(tmp_path / "copy")
    for name in ("energy", "log_product", "order", "number"):
        np.testing.assert_array_equal(getattr(copy.minima, name), getattr(network.minima, name))
        np.testing.assert_array_equal(getattr(copy.transition_states, name), getattr(network.transition_states, name))
    for name in ("inertia_1", "inertia_2", "inertia_3"):
        np.testing.assert_array_equal(copy.minima.properties[name], network.minima.properties[name])
    np.testing.assert_array_equal(np.stack([copy.first, copy.second]), np.stack([network.first, network.second]))
    assert copy.unit == "epsilon"
    np.testing.assert_array_equal(read_points(tmp_path / "copy" / "points.min", 3), points[0])
    np.testing.assert_array_equal(read_points(tmp_path / "copy" / "points.ts", 2), points[1])
    units = (tmp_path / "copy" / "units.txt").read_text()
    assert "4 x 3 coordinates" in units
    assert "epsilon/(sigma^2 u)" in units


def test_a_network_without_structures_or_unit_is_written_too(tmp_path, random_network):
    network = random_network(6, 9)
    write_pathsample(network, tmp_path)
    copy = read_pathsample(tmp_path)
    np.testing.assert_allclose(copy.transition_states.energy, network.transition_states.energy)
    np.testing.assert_array_equal(copy.first, network.first)
    assert np.isnan(copy.minima.log_product).all()  # those of the minima were not known
    assert sorted(path.name for path in tmp_path.iterdir()) == ["min.data", "ts.data", "units.txt"]


def test_structures_must_fit_the_table(tmp_path):
    np.arange(36.0).tofile(tmp_path / "points.min")
    with pytest.raises(RunFolderError, match="Expected 5 structures"):
        read_points(tmp_path / "points.min", 5)
    with pytest.raises(RunFolderError, match="No such file"):
        read_points(tmp_path / "points.ts", 5)


@pytest.mark.slow
@pytest.mark.skipif(
    "PESX_TETRA_ALANINE" not in os.environ, reason="PESX_TETRA_ALANINE does not name a folder with min.data and ts.data"
)
def test_tetra_alanine(minimax):
    """The AMBER landscape of tetra-alanine that comes with pele (GPL, so not with pesx): 600 minima, 1,361 states."""
    network = read_pathsample(os.environ["PESX_TETRA_ALANINE"], unit="kcal/mol")
    assert (len(network.minima), len(network.transition_states)) == (600, 1361)
    assert network.minima.energy.min() == pytest.approx(-12.9478, abs=1e-4)
    assert network.minima.energy.max() > 100
    tree = Tree.of(network)
    part = network.components()
    assert len(tree.roots) == part.max() + 1
    best = int(np.argmin(network.minima.energy))
    heights = tree.join_energy(best, np.arange(600))
    assert (np.isfinite(heights) == (part == part[best])).all()
    assert (heights >= network.minima.energy).all()
    i, j = np.indices((600, 600))
    np.testing.assert_array_equal(tree.join_energy(i, j), minimax(network))
