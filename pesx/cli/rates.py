"""``pesx rates``: how fast one group of minima goes over into another."""

import json
from argparse import Namespace
from math import exp, isfinite, log
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import logsumexp

from pesx.cli.groups import read_group
from pesx.cli.harmonic import HarmonicRun, open_harmonic, positive
from pesx.cli.properties import with_properties
from pesx.cli.streams import put, say
from pesx.errors import ConfigError, InputError
from pesx.landscape.network import count_text
from pesx.landscape.records import Array
from pesx.thermodynamics.graph_transformation import Passage, passage

_LARGEST = 700.0
"""Natural logarithm up to which a number is one."""


def run(arguments: Namespace) -> int:
    """Show rates in both directions at each temperature, and return the exit code."""
    asked = np.unique(positive(arguments.temperature, "--temperature"))
    harmonic = open_harmonic(arguments, needs_transition_states=True)
    start, target = _groups(arguments, harmonic)
    results = [rates_between(harmonic, start, target, temperature=float(each)) for each in asked]
    if arguments.json:
        put(json.dumps(_content(harmonic, start, target, results), allow_nan=False))
    else:
        put(_text(harmonic, start, target, results))
    for statement in dict.fromkeys(text for result in results for text in result["statements"]):
        say(f"{statement[:1].upper()}{statement[1:]}.")
    return 0


def rates_between(run: HarmonicRun, start: Array, target: Array, *, temperature: float) -> dict[str, Any]:
    """Return rates and times between two groups of minima, both ways, ready for JSON.

    Args:
        run: With transition states.
        start: Rows of one group.
        target: Rows of the other.
        temperature: K, or in reduced units k times it.

    Raises:
        InputError: No transition state known leads from one to the other.
    """
    rates = run.wells.rates(float(run.wells.thermal_energy(temperature)))
    matrix, weight = rates.matrix(), rates.log_population
    there = passage(matrix, weight, start, target)
    if there.n_lost == there.n_start:
        n = count_text(len(run.network.transition_states), "transition state")
        raise InputError(
            f"Expected transition states that join --from and --to; came {n}, which do not. Find more with pesx connect, or "
            "choose other groups."
        )
    back = passage(matrix, weight, target, start)
    log_shares = [float(logsumexp(weight[rows])) for rows in (start, target)]
    return {
        "temperature": temperature,
        "population_from": exp(log_shares[0]),
        "population_to": exp(log_shares[1]),
        "forward": _passage(there, _direct(matrix, weight, start, target)),
        "backward": _passage(back, _direct(matrix, weight, target, start)),
        "time_unit": rates.time,
        "statements": [found.statement for found in (there, back) if found.statement],
    }


def _direct(matrix: Array, weight: Array, start: Array, target: Array) -> float:
    """Return the logarithm of the rate over transition states that lead from one group to the other without a stop between."""
    shares = weight[start] - logsumexp(weight[start])
    with np.errstate(divide="ignore"):
        return float(logsumexp(shares[:, None] + matrix[np.ix_(start, target)]))


def _passage(found: Passage, direct: float) -> dict[str, float | None]:
    logs = {
        "rate": found.log_rate,
        "steady_rate": found.log_steady_rate,
        "direct_rate": direct,
        "mean_first_passage_time": found.log_time,
    }
    return {f"log10_{name}": value / log(10.0) if isfinite(value) else None for name, value in logs.items()} | {
        name: exp(value) if abs(value) < _LARGEST else None for name, value in logs.items()
    }


def _groups(arguments: Namespace, run: HarmonicRun) -> tuple[Array, Array]:
    network = run.network if arguments.properties is None else with_properties(run.network, Path(arguments.properties))
    texts = {"--from": arguments.start, "--to": arguments.target}
    start, target = (read_group(text, network, flag=flag, scale=run.energy_scale) for flag, text in texts.items())
    both = network.minima.number[np.intersect1d(start, target)]
    if len(both):
        raise ConfigError(
            f"Expected --from and --to without a common minimum; came {', '.join(map(str, both.tolist()))} in both. Change one."
        )
    return start, target


def _content(run: HarmonicRun, start: Array, target: Array, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "temperature_unit": run.wells.temperature_unit,
        "statistics": run.wells.harmonic.statistics,
        "mirror": run.mirror,
        "n_minima": len(run.network.minima),
        "n_transition_states": len(run.network.transition_states),
        "from": run.network.minima.number[start].tolist(),
        "to": run.network.minima.number[target].tolist(),
        "results": results,
        "notes": list(run.notes),
    }


def _text(run: HarmonicRun, start: Array, target: Array, results: list[dict[str, Any]]) -> str:
    table = Table(box=None, padding=(0, 3, 0, 0))
    names = ("rate", "steady rate", "direct rate", "mean time")
    for column in (f"T, {run.wells.temperature_unit}", "direction", "population", *names):
        table.add_column(column, justify="right", no_wrap=True)
    for result in results:
        for words, direction, share in (
            ("from -> to", "forward", "population_from"),
            ("to -> from", "backward", "population_to"),
        ):
            found = result[direction]
            values = [
                found[f"log10_{name}"] for name in ("rate", "steady_rate", "direct_rate", "mean_first_passage_time")
            ]
            table.add_row(f"{result['temperature']:g}", words, f"{result[share]:.4g}", *map(_power, values))
    console = Console(width=180, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        sizes = [count_text(len(rows), "minimum", "minima") for rows in (start, target)]
        states = count_text(len(run.network.transition_states), "transition state")
        console.print(f"From {sizes[0]} to {sizes[1]}, of {len(run.network.minima)} minima and {states}.")
        console.print(f"Times in {results[0]['time_unit']}, rates per {results[0]['time_unit']}.\n")
        console.print(table)
        console.print()
        for note in run.notes:
            console.print(f"{note[:1].upper()}{note[1:]}.", soft_wrap=True)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _power(log10: float | None) -> str:
    """Return a number from its logarithm, also where it is too large or small for one."""
    if log10 is None:
        return "none"
    whole = int(np.floor(log10))
    return f"{10 ** (log10 - whole):.4f}e{whole:+03d}"
