"""Groups of minima as people name them: by numbers, or by the range of a property."""

import re

import numpy as np

from pesx.errors import ConfigError
from pesx.landscape.network import Network
from pesx.landscape.records import Array

_NUMBERS = re.compile(r"^\s*\d+\s*(,\s*\d+\s*)*$")
_EXAMPLES = "0,3,7, or energy=0:2, or chemistry=SSS|tttt"


def read_group(text: str, network: Network, *, flag: str, scale: float = 1.0) -> Array:
    """Return the rows of the minima in a group, ascending.

    Args:
        text: Numbers such as ``0,3,7``; ``NAME=LOW:HIGH`` for a property within a range, whose ends belong to it and may be
            missing; ``NAME=VALUE`` for one value. ``energy`` is that above the lowest minimum.
        network: With properties.
        flag: Where the text comes from, for messages.
        scale: Unit of ``energy`` in that of the network.

    Raises:
        ConfigError: It cannot be read, names something that is not there, or no minimum is in it.
    """
    if _NUMBERS.match(text):
        return _by_numbers([int(part) for part in text.split(",")], network, flag)
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise ConfigError(f"Expected minima such as {_EXAMPLES} for {flag}; came {text!r}. Write it like one of these.")
    minima = network.minima
    known = {"energy": (minima.energy - minima.energy.min()) / scale, **minima.properties}
    if name not in known:
        raise ConfigError(
            f"Expected {flag} with a property out of {', '.join(known)}; came {name!r}. Choose one of these."
        )
    column = known[name]
    rows = np.flatnonzero(column == value) if column.dtype.kind in "US" else _by_range(value, column, flag)
    if not len(rows):
        raise ConfigError(f"Expected minima with {text} for {flag}; there are none. Choose another range.")
    return rows


def _by_numbers(numbers: list[int], network: Network, flag: str) -> Array:
    missing = sorted(set(numbers) - set(network.minima.number.tolist()))
    if missing:
        raise ConfigError(
            f"Expected numbers of the {len(network.minima)} minima that count for {flag}; came {missing[0]}. See pesx "
            "minima, and pesx thermo for what is left out."
        )
    rows: Array = np.flatnonzero(np.isin(network.minima.number, numbers))
    return rows


def _by_range(text: str, column: Array, flag: str) -> Array:
    low, colon, high = text.partition(":")
    try:
        least = float(low or "-inf")
        most = float(high or "inf") if colon else least
    except ValueError as error:
        raise ConfigError(f"Expected numbers as in {_EXAMPLES} for {flag}; came {text!r}. Correct it.") from error
    rows: Array = np.flatnonzero((column >= least) & (column <= most))
    return rows


__all__ = ["read_group"]
