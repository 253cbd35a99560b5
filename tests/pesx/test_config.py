import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from pesx.config import from_table, read_toml, require, to_table, to_toml
from pesx.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    degrees: tuple[int, ...] = (1, 2)
    range: tuple[float, float] = (0.5, 2.0)


@dataclass(frozen=True)
class Outer:
    name: str
    step: float = 0.1
    n: int = 3
    is_on: bool = False
    kind: Literal["a", "b"] = "a"
    limit: float | None = None
    inner: Inner = field(default_factory=Inner)


def test_settings_survive_a_round_trip_through_toml() -> None:
    settings = Outer(name='say "hi" \\ there', step=2.0, kind="b", limit=0.25, inner=Inner((3,), (1.0, 9.0)))
    again = from_table(Outer, tomllib.loads(to_toml(to_table(settings), heading="Two\nlines")))
    assert again == settings


def test_whole_numbers_are_good_numbers() -> None:
    assert from_table(Outer, {"name": "x", "step": 2}).step == 2.0


@dataclass(frozen=True)
class Group:
    shares: Mapping[str, float]
    inner: Inner = Inner((7,), (3.0, 4.0))


@dataclass(frozen=True)
class Groups:
    group: tuple[Group, ...]
    inner: Inner = Inner()


def test_tables_in_lists_in_tables_survive_too() -> None:
    groups = Groups((Group({"a": 1.0, "b c.d": 0.5, "\x7fü🙂": -0.0}), Group({}, Inner((), (1.0, 2.0)))), Inner((5,)))
    text = to_toml(to_table(groups))
    assert from_table(Groups, tomllib.loads(text)) == groups


def test_what_a_table_leaves_out_is_that_of_the_default_of_its_place() -> None:
    read = from_table(Groups, {"group": [{"shares": {"a": 1}, "inner": {"degrees": [9]}}]})
    assert read.group[0].inner == Inner((9,), (3.0, 4.0))
    assert from_table(Inner, {"degrees": [4]}, base=Inner((1,), (8.0, 9.0))) == Inner((4,), (8.0, 9.0))


@pytest.mark.parametrize("value", [None, {1, 2}, [None], {"inner": object()}])
def test_what_toml_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="for TOML"):
        to_toml({"value": value})


@pytest.mark.parametrize("shares", [{"a": "b"}, [1.0], {"a": True}])
def test_what_does_not_fit_into_a_table_is_named(shares: object) -> None:
    with pytest.raises(ConfigError, match=r"group\.shares"):
        from_table(Groups, {"group": [{"shares": shares}]})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": "x", "stpe": 1.0}, ["stpe", "step"]),
        ({}, ["name", "missing"]),
        ({"name": "x", "n": 1.5}, ["whole number", "1.5"]),
        ({"name": "x", "n": True}, ["whole number"]),
        ({"name": "x", "kind": "c"}, ["a, b", "'c'"]),
        ({"name": "x", "inner": {"degrees": ["s"]}}, ["inner.degrees"]),
        ({"name": "x", "inner": {"range": [1.0]}}, ["2 values"]),
        ({"name": "x", "inner": 3}, ["a table"]),
    ],
)
def test_what_does_not_fit_is_named(table: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        from_table(Outer, table)
    for word in words:
        assert word in str(error.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        read_toml(tmp_path / "nowhere.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("a = = 1\n")
    with pytest.raises(ConfigError, match="line 1"):
        read_toml(broken)


@dataclass(frozen=True)
class Ranges:
    length: float = 1.0
    noise: float = 0.0
    count: int = 1
    share: float = 1.0
    low: float = 1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require(self, above_zero=["length"], at_least_zero=["noise"], at_least_one=["count"], fractions=["share"])
        require(self, ascending=["low", "length", "high"])


def test_values_at_the_edge_of_a_range_are_good() -> None:
    assert Ranges(length=1e-300, low=0.0).noise == 0.0
    assert Ranges(high=float("inf"), share=1e-300).count == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": 0.0}, r"Expected Ranges.length above 0, came 0.0. Give a positive number."),
        ({"noise": -1e-9}, r"Expected Ranges.noise of at least 0, came -1e-09. Give zero or a positive number."),
        ({"count": 0}, r"Expected Ranges.count of at least 1, came 0. Give one or more."),
        ({"share": 0.0}, r"Expected Ranges.share above 0 and at most 1, came 0.0."),
        ({"share": 1.5}, r"Expected Ranges.share above 0 and at most 1, came 1.5."),
        ({"low": 2.0}, r"Expected Ranges.length of at least low (2.0), came 1.0. Change one of the two."),
        ({"high": 0.5}, r"Expected Ranges.high of at least length (1.0), came 0.5."),
    ],
)
def test_values_out_of_range_say_what_to_do(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Ranges(**wrong)


@pytest.mark.parametrize("name", ["length", "noise", "count", "share", "low", "high"])
def test_nan_is_in_no_range(name: str) -> None:
    with pytest.raises(ConfigError, match="nan"):
        Ranges(**{name: float("nan")})
