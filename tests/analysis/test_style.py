from pathlib import Path

import pytest
from matplotlib import rc_context
from matplotlib.colors import to_rgb

from pesx.analysis.style import COLOURS, STYLE, undated


def test_colours_differ_and_the_settings_are_known_to_matplotlib():
    assert len({to_rgb(colour) for colour in COLOURS}) == len(COLOURS)
    with rc_context(STYLE):
        pass


@pytest.mark.parametrize(("name", "key"), [("a.svg", "Date"), ("a.pdf", "CreationDate")])
def test_the_date_is_kept_out(name, key):
    assert undated(Path(name)) == {key: None}


def test_other_formats_have_no_date():
    assert undated(Path("a.png")) is None
