"""Further properties of minima, from a table of one's own."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from pesx.errors import ConfigError
from pesx.landscape.network import Network
from pesx.landscape.records import Array


def with_properties(network: Network, path: Path) -> Network:
    """Return the network with the columns of a CSV file, whose column ``minimum`` says what each row is of.

    Raises:
        ConfigError: A row names no minimum.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    row_of = {str(number): row for row, number in enumerate(network.minima.number.tolist())}
    for line, values in enumerate(rows, start=2):
        if values.get("minimum") not in row_of:
            raise ConfigError(
                f"Expected the number of a minimum in the column minimum of {path}, line {line}; came "
                f"{values.get('minimum')!r}. Correct the file."
            )
    names = [name for name in (rows[0] if rows else ()) if name and name != "minimum"]
    added = {}
    for name in names:
        texts = [""] * len(network.minima)
        for values in rows:
            texts[row_of[values["minimum"]]] = values[name] or ""
        added[name] = _column(texts)
    return replace(network, minima=replace(network.minima, properties={**network.minima.properties, **added}))


def _column(texts: list[str]) -> Array:
    """Return numbers, whole if all are, or else the texts; what is missing is NaN or empty."""
    for convert in (int, lambda text: float(text or "nan")):
        try:
            return np.array([convert(text) for text in texts])
        except ValueError:
            continue
    return np.array(texts)


__all__ = ["with_properties"]
