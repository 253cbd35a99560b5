"""``pesx plot``: figures of a run or of another landscape, each with its table beside it."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pesx.analysis import disconnectivity, draw_disconnectivity, write_disconnectivity
from pesx.analysis.heat_capacity import draw_heat_capacity, heat_capacity, write_heat_capacity
from pesx.analysis.populations import draw_populations, populations, write_populations
from pesx.cli.amounts import read_energy
from pesx.cli.harmonic import open_harmonic, positive, temperatures
from pesx.cli.properties import with_properties
from pesx.cli.streams import say
from pesx.errors import ConfigError, WrongFolderError
from pesx.landscape.graphml import read_graphml
from pesx.landscape.network import LeftOut, Network
from pesx.landscape.pathsample import read_pathsample
from pesx.landscape.records import Array
from pesx.landscape.schema import FILE_NAME
from pesx.landscape.store import RunStore

_WIDTHS = {"column": 3.35, "double": 6.85}
"""Of a figure in a journal, inch."""

_TREE_ALONE = {
    "lowest": "--lowest",
    "component_of": "--component-of",
    "min_barrier": "--min-barrier",
    "basins": "--basins",
    "max_height": "--max-height",
    "levels": "--levels",
    "color": "--color",
    "mark": "--mark",
    "properties": "--properties",
    "absolute": "--absolute",
    "unit": "--unit",
}
_RANGE = {"lowest_temperature": "--from", "highest_temperature": "--to", "steps": "--steps"}
_WELLS = {
    "quasi_rrho": "--quasi-rrho",
    "window": "--window",
    "stored": "--stored",
    "model": "--model",
    "device": "--device",
}
_GROUPS = {"groups": "--groups"}
_ONE_TEMPERATURE = {"temperature": "--temperature"}


class _Place(NamedTuple):
    """Where a figure goes and its table."""

    out: Path
    table: Path
    width: float


def run(arguments: Namespace) -> int:
    """Draw the figure, write its table, and return the exit code."""
    if arguments.figure not in _FIGURES:
        raise ConfigError(f"Expected one of the figures {', '.join(_FIGURES)}; came {arguments.figure!r}. Choose one.")
    if arguments.width not in _WIDTHS:
        raise ConfigError(f"Expected --width {' or '.join(_WIDTHS)}; came {arguments.width!r}. Choose one of these.")
    draw, foreign = _FIGURES[arguments.figure]
    for name, flag in foreign.items():
        if getattr(arguments, name):
            raise ConfigError(f"Expected no {flag} with the figure {arguments.figure}; came one. Leave it out.")
    out = Path(arguments.out)
    place = _Place(out, out.with_suffix(".csv"), _WIDTHS[arguments.width])
    notes = draw(arguments, place)
    say(f"Wrote {out} and {place.table}: {'; '.join(notes)}.")
    return 0


def _draw_disconnectivity(arguments: Namespace, place: _Place) -> tuple[str, ...]:
    if arguments.properties is not None and Path(arguments.properties).absolute() == place.table.absolute():
        raise ConfigError(
            f"Expected -o with another name; its table {place.table} would replace --properties. Rename it."
        )
    network, quantity, notes = _landscape(arguments)
    if arguments.properties is not None:
        network = with_properties(network, Path(arguments.properties))
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
        notes=notes,
    )
    draw_disconnectivity(
        graph,
        place.out,
        color=arguments.color,
        mark=None if arguments.mark is None else _is_marked(network, arguments.mark),
        mark_label=(arguments.mark or "").replace("_", " "),
        is_absolute=arguments.absolute,
        quantity=quantity,
        width=place.width,
        title=arguments.title,
    )
    write_disconnectivity(graph, place.table, quantity=quantity)
    said: tuple[str, ...] = graph.notes
    return said


def _draw_heat_capacity(arguments: Namespace, place: _Place) -> tuple[str, ...]:
    run = open_harmonic(arguments, needs_transition_states=False)
    curve = heat_capacity(run.wells, temperatures(arguments, run, is_needed=False))
    draw_heat_capacity(curve, place.out, width=place.width, title=arguments.title, notes=run.notes)
    write_heat_capacity(curve, place.table)
    return run.notes


def _draw_populations(arguments: Namespace, place: _Place) -> tuple[str, ...]:
    run = open_harmonic(arguments, needs_transition_states=False)
    asked = temperatures(arguments, run, is_needed=False)
    shares = populations(run.wells, asked, by=arguments.groups, landscape=run.landscape)
    draw_populations(shares, place.out, width=place.width, title=arguments.title, notes=run.notes)
    write_populations(shares, place.table)
    return run.notes


def _landscape(arguments: Namespace) -> tuple[Network, str, tuple[str, ...]]:
    """Return the network of energies, or of free energies at a temperature, what it shows, and notes."""
    path = Path(arguments.run)
    if not arguments.temperature:
        given = [flag for name, flag in _WELLS.items() if getattr(arguments, name)]
        if given:
            raise ConfigError(f"Expected --temperature beside {given[0]}; came none. Give one, or leave the other out.")
        return _network(path, arguments.unit), "energy", ()
    if len(arguments.temperature) > 1:
        raise ConfigError(
            f"Expected one --temperature for a graph; came {len(arguments.temperature)}. Draw one for each."
        )
    if path.is_file() or ((path / "min.data").is_file() and not (path / FILE_NAME).is_file()):
        raise WrongFolderError(
            f"Expected a run folder for --temperature; came {path}, whose vibrations have no sure unit. Leave it out."
        )
    (temperature,) = positive(arguments.temperature, "--temperature").tolist()
    run = open_harmonic(arguments, needs_transition_states=True)
    network = run.wells.free_energy_network(float(run.wells.thermal_energy(temperature)))
    network = replace(network, left_out=LeftOut())  # which the notes say already
    return network, "free energy", (f"at {run.temperature_text(temperature)}", *run.notes)


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


def _is_marked(network: Network, name: str) -> Array:
    properties: Mapping[str, Array] = network.minima.properties
    if name not in properties:
        raise ConfigError(f"Expected --mark with a property out of {', '.join(properties)}; came {name!r}. Choose one.")
    column = properties[name]
    is_number = column.dtype.kind != "U"
    marked: Array = np.nan_to_num(column) != 0 if is_number else ~np.isin(np.char.lower(column), ("", "no", "false"))
    return marked


_FIGURES: dict[str, tuple[Callable[[Namespace, _Place], tuple[str, ...]], dict[str, str]]] = {
    "disconnectivity": (_draw_disconnectivity, _RANGE | _GROUPS),
    "heat-capacity": (_draw_heat_capacity, _TREE_ALONE | _GROUPS | _ONE_TEMPERATURE),
    "populations": (_draw_populations, _TREE_ALONE | _ONE_TEMPERATURE),
}
"""How each is drawn, and the flags that belong to others."""
