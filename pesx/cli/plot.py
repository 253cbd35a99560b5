"""``pesx plot``: figures of a run or of another landscape, each with its table beside it."""

import csv
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pesx.analysis import disconnectivity, draw_disconnectivity, write_disconnectivity
from pesx.cli.amounts import read_energy
from pesx.cli.streams import say
from pesx.errors import ConfigError, WrongFolderError
from pesx.landscape.graphml import read_graphml
from pesx.landscape.network import Network
from pesx.landscape.pathsample import read_pathsample
from pesx.landscape.records import Array
from pesx.landscape.schema import FILE_NAME
from pesx.landscape.store import RunStore

_WIDTHS = {"column": 3.35, "double": 6.85}
"""Of a figure in a journal, inch."""

_FIGURES = ("disconnectivity",)


def run(arguments: Namespace) -> int:
    """Draw the figure, write its table, and return the exit code."""
    if arguments.figure not in _FIGURES:
        raise ConfigError(f"Expected one of the figures {', '.join(_FIGURES)}; came {arguments.figure!r}. Choose one.")
    if arguments.width not in _WIDTHS:
        raise ConfigError(f"Expected --width {' or '.join(_WIDTHS)}; came {arguments.width!r}. Choose one of these.")
    out = Path(arguments.out)
    table = out.with_suffix(".csv")
    network = _network(Path(arguments.run), arguments.unit)
    if arguments.properties is not None:
        if Path(arguments.properties).absolute() == table.absolute():
            raise ConfigError(
                f"Expected -o with another name; its table {table} would replace --properties. Rename it."
            )
        network = _with_properties(network, Path(arguments.properties))
    is_reduced = network.unit != "eV"

    def energy(text: str | None, name: str) -> float | None:
        return None if text is None else read_energy(text, is_reduced=is_reduced, name=name)

    graph = disconnectivity(
        network,
        lowest=arguments.lowest,
        component_of=None if arguments.component_of is None else network.row_of(arguments.component_of),
        min_barrier=energy(arguments.min_barrier, "--min-barrier") or 0.0,
        is_by_basin=arguments.basins,
        levels=arguments.levels,
        max_height=energy(arguments.max_height, "--max-height"),
    )
    draw_disconnectivity(
        graph,
        out,
        color=arguments.color,
        mark=None if arguments.mark is None else _is_marked(network, arguments.mark),
        mark_label=(arguments.mark or "").replace("_", " "),
        is_absolute=arguments.absolute,
        width=_WIDTHS[arguments.width],
        title=arguments.title,
    )
    write_disconnectivity(graph, table)
    say(f"Wrote {out} and {table}: {'; '.join(graph.notes)}.")
    return 0


def _network(path: Path, unit: str) -> Network:
    """Read a run folder, a folder of PATHSAMPLE, or a GraphML file."""
    if path.is_file():
        return read_graphml(path)
    if (path / FILE_NAME).is_file():
        with RunStore.read(path) as store, store.snapshot():
            return Network.of(store)
    if (path / "min.data").is_file():
        return read_pathsample(path, unit=unit)
    raise WrongFolderError(
        f"Expected a run folder, a folder of PATHSAMPLE or a GraphML file at {path}; it has no {FILE_NAME} and no min.data. "
        "Check the path."
    )


def _with_properties(network: Network, path: Path) -> Network:
    """Add the columns of a CSV file, whose column ``minimum`` says what each row is of."""
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


def _is_marked(network: Network, name: str) -> Array:
    properties: Mapping[str, Array] = network.minima.properties
    if name not in properties:
        raise ConfigError(f"Expected --mark with a property out of {', '.join(properties)}; came {name!r}. Choose one.")
    column = properties[name]
    is_number = column.dtype.kind != "U"
    marked: Array = np.nan_to_num(column) != 0 if is_number else ~np.isin(np.char.lower(column), ("", "no", "false"))
    return marked
