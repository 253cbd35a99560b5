"""How a molecule divides itself among its minima, against temperature: table and figure."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.special import logsumexp

from pesx.errors import InputError
from pesx.landscape.basins import monotonic_basins
from pesx.landscape.network import Network, count_text
from pesx.thermodynamics.harmonic_network import HarmonicNetwork
from pesx.thermodynamics.wells import thermal

from .disconnectivity import axis_unit
from .over_temperature import draw_over_temperature, temperature_column
from .style import COLOURS, COLUMN_WIDTH, GREY

Array = np.ndarray[Any, np.dtype[Any]]

GROUPINGS = ("chemistry", "basin")
"""What minima can be put together by."""

_N_DRAWN = len(COLOURS) - 1


@dataclass(frozen=True)
class Populations:
    """Shares in equilibrium of G minima, or groups of them, at K temperatures; the lowest minimum first.

    Attributes:
        kind: What a name is of: ``minimum``, ``chemistry`` or ``basin``.
        names: Of the minima or groups.
        members: Numbers of the minima of each, lowest first.
        height: Energy of the lowest minimum of each above the lowest of all, in ``energy_unit``, (G,).
        order: Order of the point group of that minimum, (G,).
        temperature: In ``temperature_unit``, (K,).
        share: (K, G).
        free_energy: Above that of the group with most, in ``energy_unit``, (K, G).
        temperature_unit: K, or the unit of energies where that is reduced.
        energy_unit: Of heights and free energies.
    """

    kind: str
    names: list[str]
    members: list[list[int]]
    height: Array
    order: Array
    temperature: Array
    share: Array
    free_energy: Array
    temperature_unit: str
    energy_unit: str

    def largest(self, n: int) -> list[int]:
        """Return the columns of the n groups that have most at any of the temperatures, lowest first."""
        order = np.argsort(-self.share.max(axis=0), kind="stable")[:n]
        columns: list[int] = np.sort(order).tolist()
        return columns


def populations(
    wells: HarmonicNetwork, temperature: Array, *, by: str | None = None, landscape: Network | None = None
) -> Populations:
    """Return how much of each minimum, or group of minima, there is in equilibrium.

    Args:
        wells: With at least one minimum.
        temperature: K, or in reduced units k times it, (K,).
        by: ``chemistry`` puts minima together that spell their handedness and amides alike, ``basin`` those of one
            monotonic-sequence basin; None for each on its own.
        landscape: Where basins are looked up, with all minima and transition states; None for those of the wells.

    Raises:
        InputError: Minima cannot be put together by that.
    """
    minima, (scale, unit) = wells.network.minima, axis_unit(wells.network)
    labels = _labels(wells.network, by, wells.network if landscape is None else landscape)
    # Groups in the order of their lowest minima.
    by_energy = np.argsort(minima.energy, kind="stable")
    names = list(dict.fromkeys(labels[row] for row in by_energy.tolist()))
    column = np.array([names.index(label) for label in labels])
    members = [[row for row in by_energy.tolist() if column[row] == group] for group in range(len(names))]
    thermal_energy = wells.thermal_energy(temperature)
    logs = np.array([thermal(wells.minima, float(kT), wells.harmonic).log_partition for kT in thermal_energy])
    sums = np.stack([logsumexp(logs[:, rows], axis=1) for rows in members], axis=1)
    most = sums.max(axis=1, keepdims=True)
    lowest = np.array([rows[0] for rows in members])
    return Populations(
        kind=by or "minimum",
        names=names,
        members=[minima.number[rows].tolist() for rows in members],
        height=(minima.energy[lowest] - minima.energy.min()) / scale,
        order=minima.order[lowest],
        temperature=np.asarray(temperature, dtype=np.float64),
        share=np.exp(sums - logsumexp(sums, axis=1, keepdims=True)),
        free_energy=(most - sums) * thermal_energy[:, None] / scale,
        temperature_unit=wells.temperature_unit,
        energy_unit=unit,
    )


def _labels(network: Network, by: str | None, landscape: Network) -> list[str]:
    if by is None:
        return [str(number) for number in network.minima.number.tolist()]
    if by == "chemistry" and "chemistry" in network.minima.properties:
        return [label or "none" for label in network.minima.properties["chemistry"].tolist()]
    if by == "basin":
        bottom = landscape.minima.number[monotonic_basins(landscape)]
        name_of = dict(zip(landscape.minima.number.tolist(), bottom.tolist(), strict=True))
        return [f"of {name_of[number]}" for number in network.minima.number.tolist()]
    raise InputError(f"Expected groups by {' or '.join(GROUPINGS)}; came {by!r}. Choose one of these.")


def write_populations(shares: Populations, path: Path | str) -> None:
    """Write the table as CSV: a row for each temperature, a column for each minimum or group."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [temperature_column(shares.temperature_unit), *(f"{shares.kind} {name}" for name in shares.names)]
        )
        for temperature, row in zip(shares.temperature.tolist(), shares.share.tolist(), strict=True):
            writer.writerow([f"{temperature:.8g}", *(f"{share:.8g}" for share in row)])


def draw_populations(
    shares: Populations,
    path: Path | str,
    *,
    width: float = COLUMN_WIDTH,
    height: float = 2.6,
    title: str = "",
    notes: tuple[str, ...] = (),
) -> None:
    """Draw the shares of the largest, and of all others together.

    Args:
        shares: Made by :func:`populations`.
        path: Figure file; its ending chooses the format (pdf, svg, png).
        width: Of the figure, inch.
        height: Of the figure, inch.
        title: Above the figure.
        notes: Below the figure.
    """
    drawn = shares.largest(_N_DRAWN)

    def draw(axes: Axes) -> None:
        for place, column in enumerate(drawn):
            label = f"{shares.kind} {shares.names[column]}"
            axes.plot(shares.temperature, shares.share[:, column], color=COLOURS[1 + place], label=label)
        n_others = len(shares.names) - len(drawn)
        if n_others:
            rest = np.clip(1.0 - shares.share[:, drawn].sum(axis=1), 0.0, 1.0)
            axes.plot(shares.temperature, rest, "--", color=GREY, label=count_text(n_others, "other"))
        axes.set_ylim(0.0, 1.02)
        axes.set_ylabel("population")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.4, fontsize=6)

    draw_over_temperature(
        path,
        draw,
        temperature=shares.temperature,
        unit=shares.temperature_unit,
        width=width,
        height=height,
        title=title,
        notes=notes,
    )
