"""Settings: TOML to and from frozen dataclasses, and the ranges of their values.

A table is a constructor call, and an unknown key is an error.
"""

import difflib
import json
import re
import tomllib
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pesx.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")

_UNION = type(int | str)
"""What ``X | Y`` is at run time; ``typing.Union`` is another."""


def require(
    settings: Any,
    *,
    above_zero: Sequence[str] = (),
    at_least_zero: Sequence[str] = (),
    at_least_one: Sequence[str] = (),
    fractions: Sequence[str] = (),
    ascending: Sequence[str] = (),
) -> None:
    """Check the ranges of settings; NaN is in none.

    Args:
        settings: Any object; messages name its class.
        above_zero: Names of the numbers that must be above 0.
        at_least_zero: Of those that must be at least 0.
        at_least_one: Of those that must be at least 1.
        fractions: Of those that must be above 0 and at most 1.
        ascending: Of those none of which may be smaller than the one before it in this list.

    Raises:
        ConfigError: A value is outside its range.
    """
    ranges: tuple[tuple[Sequence[str], Callable[[float], bool], str, str], ...] = (
        (above_zero, lambda value: value > 0, "above 0", "Give a positive number."),
        (at_least_zero, lambda value: value >= 0, "of at least 0", "Give zero or a positive number."),
        (at_least_one, lambda value: value >= 1, "of at least 1", "Give one or more."),
        (fractions, lambda value: 0 < value <= 1, "above 0 and at most 1", "Give a number between the two."),
    )
    where = type(settings).__name__
    for names, is_good, range_, advice in ranges:
        for name in names:
            value = getattr(settings, name)
            if not is_good(value):
                raise ConfigError(f"Expected {where}.{name} {range_}, came {value}. {advice}")
    for lower, upper in pairwise(ascending):
        least, value = getattr(settings, lower), getattr(settings, upper)
        if not value >= least:
            raise ConfigError(
                f"Expected {where}.{upper} of at least {lower} ({least}), came {value}. Change one of the two."
            )


def read_toml(path: Path | str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: The file is missing or is not TOML; the message has the line.
    """
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"Expected a TOML file at {path}; it cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"Expected TOML in {path}; came: {error}.") from error


def from_table(kind: type[T], table: Mapping[str, Any], *, where: str = "", base: T | None = None) -> T:
    """Build a settings dataclass from plain values, nested ones too; lists become tuples where a tuple is meant.

    Args:
        kind: The dataclass.
        table: Values by name of the field. What a nested table leaves out is that of the field's own default.
        where: Put before names in messages.
        base: Has the values that the table leaves out; without it these are the defaults of the fields.

    Raises:
        ConfigError: A key is unknown or missing, or a value has the wrong type or range.
    """
    hints = typing.get_type_hints(kind)
    known = [item.name for item in fields(kind)]
    values: dict[str, Any] = {} if base is None else {name: getattr(base, name) for name in known}
    defaults = values | {item.name: item.default for item in fields(kind) if item.name not in values}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
            raise ConfigError(f"Unknown setting {where + key!r}. {advice}")
        values[key] = _value(hints[key], value, where + key, defaults[key])
    missing = [
        item.name
        for item in fields(kind)
        if item.default is MISSING and item.default_factory is MISSING and item.name not in values
    ]
    if missing:
        raise ConfigError(f"Expected the setting {where + missing[0]!r}; it is missing. Add it.")
    return kind(**values)


def _value(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    """Return the value in the type that the field wants; a table goes over a default of the same kind."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, _UNION) else (hint,)
    if value is None and type(None) in options:
        return None
    for option in options:
        origin = typing.get_origin(option) or option
        if is_dataclass(option) and isinstance(value, dict):
            base = default if isinstance(default, typing.cast(type, option)) else None
            return from_table(typing.cast(Any, option), value, where=where + ".", base=base)
        if origin is Mapping and isinstance(value, Mapping):
            keys, values = typing.get_args(option)
            return {_value(keys, key, where): _value(values, item, f"{where}.{key}") for key, item in value.items()}
        if origin is tuple and isinstance(value, list | tuple):
            return _items(option, value, where)
        if origin is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if origin is typing.Literal and value in typing.get_args(option):
            return value
        if isinstance(origin, type) and isinstance(value, origin) and (origin is bool) == isinstance(value, bool):
            return value
    raise ConfigError(f"Expected {_name(hint)} for the setting {where!r}; came {value!r}.")


def _items(hint: Any, values: list[Any] | tuple[Any, ...], where: str) -> tuple[Any, ...]:
    kinds = typing.get_args(hint)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_value(kinds[0], value, where) for value in values)
    if len(kinds) != len(values):
        raise ConfigError(f"Expected {len(kinds)} values for the setting {where!r}; came {len(values)}.")
    return tuple(_value(kind, value, where) for kind, value in zip(kinds, values, strict=True))


def _name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (typing.Union, _UNION):
        return " or ".join(_name(option) for option in typing.get_args(hint) if option is not type(None))
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    is_table = is_dataclass(hint) or typing.get_origin(hint) is Mapping
    return names.get(hint, "a table" if is_table else "a list")


def to_table(settings: Any) -> dict[str, Any]:
    """Return a settings dataclass as plain values; the reverse of :func:`from_table`. Fields that are None are left out."""
    table: dict[str, Any] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            table[item.name] = to_table(value)
        elif isinstance(value, tuple | list):
            table[item.name] = [to_table(entry) if is_dataclass(entry) else entry for entry in value]
        elif isinstance(value, Mapping):
            table[item.name] = dict(value)
        elif value is not None:
            table[item.name] = value
    return table


def to_toml(table: dict[str, Any], *, heading: str = "") -> str:
    """Write plain values as TOML: numbers, texts, truth values, lists of these, tables, and lists of tables.

    Raises:
        ConfigError: A value is of another type.
    """
    return "\n".join([*(f"# {line}" for line in heading.splitlines()), *_lines(table, "")]) + "\n"


def _lines(table: Mapping[str, Any], path: str) -> list[str]:
    """Return the lines of a table; what is plain comes first, because after a heading it would belong to that."""
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping) or _is_tables(value)}
    lines = [f"{_key(key)} = {_literal(value)}" for key, value in table.items() if key not in tables]
    for key, value in tables.items():
        name = path + _key(key)
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_lines(value, name + ".")]
        else:
            for entry in value:
                lines += ["", f"[[{name}]]", *_lines(entry, name + ".")]
    return lines


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _literal(name)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        # A JSON text is a valid basic string of TOML, but for one control character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise ConfigError(f"Expected numbers, texts, truth values, lists or tables for TOML; came {value!r}. Leave it out.")
