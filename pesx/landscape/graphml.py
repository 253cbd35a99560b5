"""Networks as GraphML, which most programs for graphs read."""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from pesx.errors import RunFolderError
from pesx.landscape.network import Network, StationaryPoints, to_networkx

_COLUMNS = ("energy", "log_product", "order", "number")


def write_graphml(network: Network, path: Path | str) -> None:
    """Write the network with all it knows of each minimum and transition state; unknown numbers are left out."""
    graph = to_networkx(network)
    for *_, key, values in graph.edges(keys=True, data=True):
        # An edge has no direction; a transition state has a first and a second side.
        values["first"], values["second"] = int(network.first[key]), int(network.second[key])
    nx.write_graphml_xml(graph, path, named_key_ids=True)


def read_graphml(path: Path | str) -> Network:
    """Read a network that :func:`write_graphml` wrote, or any graph whose nodes and edges have an ``energy``.

    Raises:
        RunFolderError: The file is not there or no GraphML, or an energy is missing.
    """
    try:
        graph: Any = nx.read_graphml(path, force_multigraph=True)
    except (OSError, SyntaxError, nx.NetworkXError, ValueError) as error:
        raise RunFolderError(f"Expected GraphML in {path}; {error}. Check the path, or restore the file.") from error
    names = list(graph.nodes)
    row = {name: number for number, name in enumerate(names)}
    edges = sorted(graph.edges(keys=True, data=True), key=lambda edge: _rank(edge[2]))
    minima = [graph.nodes[name] for name in names]
    found = [dict(values) for *_, values in edges]
    ends = [
        (row.get(str(values.pop("first", i)), row[i]), row.get(str(values.pop("second", j)), row[j]))
        for (i, j, _, _), values in zip(edges, found, strict=True)
    ]
    first, second = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    return Network.build(
        _points(minima, path, "node"),
        _points(found, path, "edge"),
        first=first,
        second=second,
        unit=str(graph.graph.get("unit", "")),
    )


def _rank(key: Any) -> tuple[int, str]:
    """Return where an edge stands: by the number that is its key, where it is one."""
    text = str(key)
    return (int(text), "") if text.isdigit() else (-1, text)


def _points(rows: list[dict[str, Any]], path: Path | str, what: str) -> StationaryPoints:
    for number, values in enumerate(rows):
        if not isinstance(values.get("energy"), float | int):
            raise RunFolderError(
                f"Expected an energy for every {what} of {path}; {what} {number} has none. Add it, or choose another file."
            )
    names = sorted({name for values in rows for name in values} - {*_COLUMNS, "id"})
    return StationaryPoints.of(
        [values["energy"] for values in rows],
        log_product=[values.get("log_product", np.nan) for values in rows],
        order=[values.get("order", 1) for values in rows],
        number=[values.get("number", number) for number, values in enumerate(rows)],
        properties={name: _column([values.get(name) for values in rows]) for name in names},
    )


def _column(values: list[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """Return numbers, NaN where missing, or texts, empty where missing."""
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else str(value) for value in values])
    return np.array([np.nan if value is None else value for value in values])
