"""Mean energy and heat capacity of a run against temperature: table and figure."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pesx.thermodynamics.harmonic_network import HarmonicNetwork
from pesx.thermodynamics.wells import thermal
from pesx.units import BOLTZMANN, KCAL_PER_MOL

from .disconnectivity import axis_unit
from .over_temperature import draw_over_temperature, temperature_column
from .style import BLUE, COLUMN_WIDTH, GREY

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class HeatCapacity:
    """Mean energy and heat capacity at K temperatures.

    Attributes:
        temperature: In ``temperature_unit``, (K,).
        energy: Mean energy above the lowest minimum, with that of vibrations, in ``energy_unit``, (K,).
        heat_capacity: In ``heat_capacity_unit``, (K,).
        within: The part of it that is the mean of those of the minima, each alone, (K,). What is beyond comes from minima
            taking the place of others.
        temperature_unit: K, or the unit of energies where that is reduced.
        energy_unit: Of energies.
        heat_capacity_unit: cal/(mol K), or k.
    """

    temperature: Array
    energy: Array
    heat_capacity: Array
    within: Array
    temperature_unit: str
    energy_unit: str
    heat_capacity_unit: str


def heat_capacity(wells: HarmonicNetwork, temperature: Array) -> HeatCapacity:
    """Return mean energy and heat capacity against temperature.

    Args:
        wells: With at least one minimum.
        temperature: K, or in reduced units k times it, (K,).
    """
    thermal_energy = wells.thermal_energy(temperature)
    found = wells.superposition(thermal_energy)
    each = [thermal(wells.minima, float(kT), wells.harmonic).heat_capacity for kT in thermal_energy]
    scale, unit = axis_unit(wells.network)
    is_eV = wells.network.unit == "eV"  # noqa: N806
    size = 1e3 * BOLTZMANN / KCAL_PER_MOL if is_eV else 1.0
    return HeatCapacity(
        temperature=np.asarray(temperature, dtype=np.float64),
        energy=(found.energy - wells.network.minima.energy.min()) / scale,
        heat_capacity=size * found.heat_capacity,
        within=size * (found.population * np.array(each)).sum(axis=1),
        temperature_unit=wells.temperature_unit,
        energy_unit=unit,
        heat_capacity_unit="cal/(mol K)" if is_eV else "k",
    )


def write_heat_capacity(curve: HeatCapacity, path: Path | str) -> None:
    """Write the table as CSV."""
    words = {" ": "_", "/": "_per_", "(": "", ")": "", "ε": "epsilon"}
    units = curve.energy_unit, curve.heat_capacity_unit
    energy, capacity = ("".join(words.get(letter, letter) for letter in unit.lower()) for unit in units)
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                temperature_column(curve.temperature_unit),
                f"energy_{energy}",
                f"heat_capacity_{capacity}",
                f"within_minima_{capacity}",
            ]
        )
        columns = (curve.temperature, curve.energy, curve.heat_capacity, curve.within)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            writer.writerow([f"{value:.10g}" for value in row])


def draw_heat_capacity(
    curve: HeatCapacity,
    path: Path | str,
    *,
    width: float = COLUMN_WIDTH,
    height: float = 2.6,
    title: str = "",
    notes: tuple[str, ...] = (),
) -> None:
    """Draw the heat capacity, and the part of it that the minima have on their own.

    Args:
        curve: Made by :func:`heat_capacity`.
        path: Figure file; its ending chooses the format (pdf, svg, png).
        width: Of the figure, inch.
        height: Of the figure, inch.
        title: Above the figure.
        notes: Below the figure.
    """

    def draw(axes: Axes) -> None:
        axes.plot(curve.temperature, curve.within, "--", color=GREY, label="of the minima, each alone")
        axes.plot(curve.temperature, curve.heat_capacity, color=BLUE, label="in all")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_ylabel(f"heat capacity, {curve.heat_capacity_unit}")
        axes.legend(loc="best", handlelength=1.6)

    draw_over_temperature(
        path,
        draw,
        temperature=curve.temperature,
        unit=curve.temperature_unit,
        width=width,
        height=height,
        title=title,
        notes=notes,
    )
