from argparse import ArgumentTypeError

import pytest

from pesx.cli.parsing import Parser, whole
from pesx.errors import ConfigError


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("4e5", 400_000), ("-3", -3), ("2.0", 2)])
def test_whole_numbers_can_be_written_in_several_ways(text: str, number: int):
    assert whole(text) == number


@pytest.mark.parametrize("text", ["1.5", "many", "inf", "nan"])
def test_what_is_no_whole_number_is_named(text: str):
    with pytest.raises(ArgumentTypeError, match=f"came '{text}'"):
        whole(text)


def test_mistakes_are_one_sentence():
    parser = Parser(prog="pesx")
    parser.add_argument("--seed", type=whole)
    with pytest.raises(ConfigError, match=r"written with =, as in --seed=-5"):
        parser.parse_args(["--seed", "-s"])
    with pytest.raises(ConfigError, match=r"came '1\.5'\. See pesx --help\."):
        parser.parse_args(["--seed", "1.5"])
