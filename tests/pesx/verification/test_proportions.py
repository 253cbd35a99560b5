import pytest

from pesx.errors import InputError
from pesx.verification.proportions import Proportion


def test_intervals_of_the_literature():
    # Newcombe 1998, Statist. Med. 17, 857, table I: score method for 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for count, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)):
        assert Proportion(count, total).interval() == pytest.approx((low, high), abs=1e-4)
    assert Proportion(0, 20).interval() == pytest.approx((0, 0.1611), abs=1e-4)


def test_differences_of_the_literature():
    # Newcombe 1998, Statist. Med. 17, 873, table II, method 10.
    for one, other, low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ):
        _, lower, upper = Proportion(*one).minus(Proportion(*other))
        assert (lower, upper) == pytest.approx((low, high), abs=1e-4)


def test_what_is_certain_and_what_is_not_known():
    assert Proportion(5, 5).interval()[1] == 1
    assert Proportion(0, 5).interval()[0] == 0
    assert Proportion(0, 0).interval() == (0, 1)
    assert Proportion(0, 0).minus(Proportion(1, 2))[1:] == (-1, 1)
    assert Proportion(0, 0).as_json()["share"] is None
    assert str(Proportion(2, 3)).startswith("2 of 3, 67%")
    narrow, wide = (Proportion(30, 60).interval(confidence) for confidence in (0.68, 0.95))
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2)])
def test_more_than_all(counts):
    with pytest.raises(InputError, match="from 0 to the total"):
        Proportion(*counts)


def test_a_confidence_that_is_none():
    with pytest.raises(InputError, match="between 0 and 1"):
        Proportion(1, 2).interval(1.0)
