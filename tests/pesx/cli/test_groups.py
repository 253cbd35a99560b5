import numpy as np
import pytest

from pesx.cli.groups import read_group
from pesx.errors import ConfigError
from pesx.landscape.network import Network, StationaryPoints


@pytest.fixture
def network():
    properties = {"size": np.array([3.0, np.nan, 4.0, 5.0]), "kind": np.array(["S|t", "S|c", "S|t", "R|t"])}
    minima = StationaryPoints.of([1.0, 0.0, 2.0, 3.0], number=[0, 2, 5, 7], properties=properties)
    return Network.build(minima, StationaryPoints.of([]), first=[], second=[])


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("5", [2]),
        ("7, 0,7", [0, 3]),
        ("size=3:4", [0, 2]),
        ("size=4:", [2, 3]),
        ("size=:3", [0]),
        ("size=5", [3]),
        ("energy=:1", [0, 1, 2]),
        ("energy=0", [1]),
        ("kind=S|t", [0, 2]),
    ],
)
def test_groups(network, text, rows):
    assert read_group(text, network, flag="--from", scale=2.0).tolist() == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "minima such as"),
        ("all", "minima such as"),
        ("3", "numbers of the 4 minima that count for --to; came 3"),
        ("mass=1", "out of energy, size, kind; came 'mass'"),
        ("size=wide", "Expected numbers as in"),
        ("size=9:", "there are none"),
        ("kind=trans", "there are none"),
    ],
)
def test_what_is_no_group(network, text, words):
    with pytest.raises(ConfigError, match=words.replace("|", r"\|")):
        read_group(text, network, flag="--to")
