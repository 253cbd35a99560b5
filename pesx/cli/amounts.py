"""Energies and times as people write them: a number and a unit."""

import re
from math import isnan

from pesx.errors import ConfigError
from pesx.units import ENERGY_UNITS

_AMOUNT = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?)\s*([a-z/]*)\s*$", re.I)
_TIMES = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NAMES = "eV, meV, kcal/mol, kJ/mol or hartree"


def read_energy(text: str, *, is_reduced: bool, name: str = "--energy-window") -> float:
    """Return an energy in eV, or, for potentials in reduced units, the plain number.

    Args:
        text: Such as ``10kcal/mol``, ``2.5`` or ``inf``.
        is_reduced: Whether the energies have no unit.
        name: Of the setting, for messages.

    Raises:
        ConfigError: It is no number or below 0, has no unit where it needs one, or has one where there is none.
    """
    number, unit = _split(text, name, "10kcal/mol" if not is_reduced else "2.5")
    if number == float("inf") and not unit:
        return number
    if is_reduced:
        if unit:
            raise ConfigError(
                f"Expected {name} without a unit, because this potential has units of its own; came {text!r}. "
                "Leave the unit out."
            )
        return number
    if not unit:
        raise ConfigError(f"Expected {name} with its unit ({_NAMES}); came {text!r}. Write for example {text}kcal/mol.")
    if unit.lower() not in ENERGY_UNITS:
        raise ConfigError(f"Expected {name} in {_NAMES}; came {text!r}. Write it in one of these.")
    return number * ENERGY_UNITS[unit.lower()]


def read_time(text: str, *, name: str = "--max-time") -> float:
    """Return a time in seconds.

    Args:
        text: Such as ``2h``, ``30min`` or ``90s``; a plain number is seconds.
        name: Of the setting, for messages.

    Raises:
        ConfigError: It is no time, or below 0.
    """
    number, unit = _split(text, name, "2h, 30min or 90s")
    if unit.lower() not in _TIMES and unit:
        raise ConfigError(f"Expected {name} in d, h, min or s; came {text!r}. Write for example 30min.")
    return number * _TIMES[unit.lower() or "s"]


def time_text(seconds: float) -> str:
    """Return a time for a person, such as ``1 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _split(text: str, name: str, example: str) -> tuple[float, str]:
    match = _AMOUNT.match(text)
    if not match or isnan(float(match[1])):
        raise ConfigError(f"Expected an amount such as {example} for {name}; came {text!r}. Correct it.")
    if float(match[1]) < 0:
        raise ConfigError(f"Expected {name} of at least 0; came {text!r}. Leave the minus sign out.")
    return float(match[1]), match[2]
