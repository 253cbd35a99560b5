import numpy as np
import pytest

from pesx.landscape.export import FORMATS
from pesx.landscape.graphml import read_graphml


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "sdf"])
def test_an_export_lands_in_the_run(pesx, lj7, name):
    (lj7 / "minima.extxyz").unlink()
    before = set(lj7.iterdir())
    answer = pesx("export", lj7, "--format", name)
    assert answer.code == 0
    assert "Wrote 4 minima" in answer.err
    (new,) = set(lj7.iterdir()) - before
    assert str(new) in answer.err


def test_or_where_it_is_told_to(pesx, finished, tmp_path):
    assert pesx("export", finished, "--format", "csv", "--out", tmp_path / "a" / "b.csv").code == 0
    assert len((tmp_path / "a" / "b.csv").read_text().splitlines()) == 5


@pytest.mark.parametrize(("name", "words"), [("pdf", "extxyz, sdf"), ("sdf", "needs bonds")])
def test_formats_that_do_not_fit(pesx, lj7, name, words):
    answer = pesx("export", lj7, "--format", name)
    assert answer.code == 2
    assert words in answer.message


def test_no_run(pesx, tmp_path):
    assert pesx("export", tmp_path / "none", "--format", "csv").code == 2


@pytest.mark.parametrize(("mirror", "orders"), [("merge", [20, 6, 6, 2]), ("distinct", [10, 3, 3, 2])])
def test_pathsample_has_the_orders_of_point_groups(pesx, lj7, tmp_path, mirror, orders):
    """LJ7: D5h, C3v, C3v, C2; rotations alone count where mirror images are two minima."""
    settings = (lj7 / "config.toml").read_text()
    (lj7 / "config.toml").write_text(settings.replace('mirror = "distinct"', f'mirror = "{mirror}"'))
    assert pesx("export", lj7, "--format", "pathsample", "--out", tmp_path / "out").code == 0
    table = np.loadtxt(tmp_path / "out" / "min.data")
    assert table[np.argsort(table[:, 0]), 2].tolist() == orders
    text = (tmp_path / "out" / "units.txt").read_text()
    assert ("all operations" in text) == (mirror == "merge")
    assert pesx("export", lj7, "--format", "graphml", "--out", tmp_path / "out.graphml").code == 0
    assert sorted(read_graphml(tmp_path / "out.graphml").minima.order.tolist()) == sorted(orders)
