"""``pesx thermo``: populations, free energies, mean energy and heat capacity of a run, in the harmonic superposition."""

import json
from argparse import Namespace
from math import isfinite
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from pesx.analysis.heat_capacity import HeatCapacity, heat_capacity
from pesx.analysis.populations import Populations, populations
from pesx.cli.harmonic import HarmonicRun, open_harmonic, temperatures
from pesx.cli.streams import put
from pesx.errors import ConfigError

_SIDE_BY_SIDE = 4
"""Temperatures up to which free energies are listed beside populations, for a person."""


def run(arguments: Namespace) -> int:
    """Show equilibrium at the temperatures asked for, and return the exit code."""
    if arguments.n < 1:
        raise ConfigError(f"Expected -n of at least 1; came {arguments.n}. Leave it out for 20.")
    harmonic = open_harmonic(arguments, needs_transition_states=False)
    asked = temperatures(arguments, harmonic, is_needed=True)
    curve = heat_capacity(harmonic.wells, asked)
    shares = populations(harmonic.wells, asked, by=arguments.groups, landscape=harmonic.landscape)
    if arguments.json:
        put(json.dumps(_content(harmonic, curve, shares), allow_nan=False))
    else:
        put(_text(harmonic, curve, shares, arguments.n))
    return 0


def _content(run: HarmonicRun, curve: HeatCapacity, shares: Populations) -> dict[str, Any]:
    minima = run.network.minima
    return {
        "energy_unit": run.energy_unit,
        "temperature_unit": curve.temperature_unit,
        "heat_capacity_unit": curve.heat_capacity_unit,
        "statistics": run.wells.harmonic.statistics,
        "has_rotation": run.wells.harmonic.has_rotation,
        "mirror": run.mirror,
        "n_minima": len(minima),
        "n_modes": run.wells.minima.n_modes,
        "lowest_energy": float(minima.energy.min()),
        "temperature": curve.temperature.tolist(),
        "energy": curve.energy.tolist(),
        "heat_capacity": curve.heat_capacity.tolist(),
        "groups": [
            {
                "name": name,
                "minima": members,
                "relative_energy": height,
                "order": order,
                "population": shares.share[:, row].tolist(),
                "free_energy": [_finite(value) for value in shares.free_energy[:, row].tolist()],
            }
            for row, (name, members, height, order) in enumerate(
                zip(shares.names, shares.members, shares.height.tolist(), shares.order.tolist(), strict=True)
            )
        ],
        "notes": list(run.notes),
    }


def _text(run: HarmonicRun, curve: HeatCapacity, shares: Populations, n: int) -> str:
    console = Console(width=160, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(_over_temperature(curve, shares))
        console.print()
        rows = shares.largest(n)
        console.print(_by_group(run, shares, rows))
        if len(rows) < len(shares.names):
            console.print(f"and {len(shares.names) - len(rows)} more, each with less at all of these temperatures.")
        for note in run.notes:
            console.print(f"{note[:1].upper()}{note[1:]}.", soft_wrap=True)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _over_temperature(curve: HeatCapacity, shares: Populations) -> Table:
    table = _table(
        f"T, {curve.temperature_unit}",
        f"mean energy, {curve.energy_unit}",
        f"heat capacity, {curve.heat_capacity_unit}",
        "largest population",
        "of",
    )
    best = shares.share.argmax(axis=1)
    for row, (temperature, energy, capacity) in enumerate(
        zip(curve.temperature, curve.energy, curve.heat_capacity, strict=True)
    ):
        share = shares.share[row, best[row]]
        table.add_row(f"{temperature:g}", f"{energy:.4f}", f"{capacity:.4f}", f"{share:.4f}", shares.names[best[row]])
    return table


def _by_group(run: HarmonicRun, shares: Populations, rows: list[int]) -> Table:
    chosen = np.unique(np.linspace(0, len(shares.temperature) - 1, _SIDE_BY_SIDE).round().astype(int))
    texts = [f"{shares.temperature[at]:g}" for at in chosen]
    heads = [head for text in texts for head in (f"population, {text}", f"F, {text}")]
    table = _table(shares.kind, f"lowest, {run.energy_unit}", "order", *heads)
    for row in rows:
        pairs = zip(shares.share[chosen, row], shares.free_energy[chosen, row], strict=True)
        cells = [cell for share, free in pairs for cell in (f"{share:.4f}", f"{free:.4f}" if isfinite(free) else "inf")]
        table.add_row(shares.names[row], f"{shares.height[row]:.4f}", str(shares.order[row]), *cells)
    return table


def _finite(value: float) -> float | None:
    """JSON has no number for infinity, the free energy of what is never there."""
    return value if isfinite(value) else None
