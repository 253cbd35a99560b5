from dataclasses import fields

import pytest

from pesx.cli.parser import parse
from pesx.dynamics.settings import DynamicsSettings
from pesx.errors import ConfigError


def test_several_temperatures_are_one_flag() -> None:
    arguments = parse(["md", "--molecule", "a.xyz", "--temperature", "300", "500", "--out", "RUN"])
    assert arguments.temperature == [300.0, 500.0]
    assert arguments.command == "md"
    assert not arguments.resume


def test_every_setting_has_a_flag_and_those_not_given_are_absent() -> None:
    given = {
        item.name: flag
        for item in fields(DynamicsSettings)
        for flag in [vars(parse(["md", "--" + item.name.replace("_", "-"), "1"])).get(item.name)]
    }
    assert all(value is not None for value in given.values())
    assert not {item.name for item in fields(DynamicsSettings)} & vars(parse(["md"])).keys()


@pytest.mark.parametrize(
    "wrong", [["--temperature"], ["--temperature", "warm"], ["--replicas", "1.5"], ["--tme", "1ps"]]
)
def test_mistakes_are_told(wrong: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse(["md", *wrong])
