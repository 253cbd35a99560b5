import numpy as np
import pytest

from pesx.cli.properties import with_properties
from pesx.errors import ConfigError
from pesx.landscape.network import Network, StationaryPoints


def network():
    minima = StationaryPoints.of([0.0, 1.0, 2.0], number=[4, 5, 6], properties={"visits": np.arange(3)})
    return Network.build(minima, StationaryPoints.of([]), first=[], second=[])


def test_columns_are_whole_numbers_numbers_or_texts(tmp_path):
    table = tmp_path / "more.csv"
    table.write_text("minimum,count,score,name\n6,3,0.5,a\n4,1,,b\n5,2,1,\n")
    found = with_properties(network(), table).minima.properties
    assert found["visits"].tolist() == [0, 1, 2]
    assert (found["count"].dtype.kind, found["count"].tolist()) == ("i", [1, 2, 3])
    np.testing.assert_array_equal(found["score"], [np.nan, 1.0, 0.5])
    assert found["name"].tolist() == ["b", "", "a"]


def test_a_row_of_no_minimum_is_told(tmp_path):
    table = tmp_path / "more.csv"
    table.write_text("minimum,count\n4,3\n7,1\n")
    with pytest.raises(ConfigError, match="line 3; came '7'"):
        with_properties(network(), table)
