import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image

from pesx.analysis.over_temperature import draw_over_temperature, temperature_column
from pesx.errors import InputError

KELVIN = np.linspace(100.0, 300.0, 5)


def line(axes):
    axes.plot(KELVIN, KELVIN**2)


def test_columns_are_called_after_the_unit():
    assert [temperature_column(unit) for unit in ("K", "epsilon", "")] == ["temperature_k", "kt_epsilon", "kt"]


@pytest.mark.parametrize(("unit", "label"), [("K", "temperature, K"), ("epsilon", "kT, ε"), ("", "unit of the source")])
def test_axis_title_and_notes_are_in_the_figure(tmp_path, unit, label):
    with rc_context({"svg.fonttype": "none"}):
        draw_over_temperature(
            tmp_path / "figure.svg", line, temperature=KELVIN, unit=unit, title="LJ", notes=("one", "another")
        )
    text = (tmp_path / "figure.svg").read_text()
    assert label in text
    assert ">LJ<" in text
    assert "one; another" in text


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_the_same_table_gives_the_same_file(tmp_path, ending):
    for name in ("a", "b"):
        draw_over_temperature(tmp_path / f"{name}.{ending}", line, temperature=KELVIN, unit="K")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_size(tmp_path):
    draw_over_temperature(tmp_path / "a.png", line, temperature=KELVIN, unit="K", width=6.85, height=2.0)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (2740, 800)


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(InputError, match="ends in"):
        draw_over_temperature(tmp_path / "a.doc", line, temperature=KELVIN, unit="K")
    with pytest.raises(InputError, match="two temperatures"):
        draw_over_temperature(tmp_path / "a.pdf", line, temperature=KELVIN[:1], unit="K")
