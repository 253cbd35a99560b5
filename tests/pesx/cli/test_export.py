import pytest

from pesx.landscape.export import FORMATS


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
