"""The figure: errors of energies and survival of minima against how far they are from the training data."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pesx.analysis.style import BLUE, COLUMN_WIDTH, ORANGE, STYLE, undated
from pesx.verification.proportions import Proportion

Array = np.ndarray[Any, np.dtype[Any]]

_MOST_BINS = 6
_PER_BIN = 8
"""Fewer minima than this say next to nothing about a rate."""


def draw(table: Path, out: Path) -> None:
    """Draw the verified minima of a RUN/novelty.csv at the width of a column.

    Args:
        table: The file.
        out: Figure; its ending chooses the format.
    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["survives"]]
    distance = np.array([float(row["rmsd_distance"]) for row in rows])
    error = np.abs([float(row["energy_error"] or "nan") for row in rows])
    is_new = np.array([row["new"] == "yes" for row in rows], dtype=bool)
    survives = np.array([row["survives"] == "yes" for row in rows], dtype=bool)
    with rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True)
        for name, colour, group in (("known", BLUE, ~is_new), ("new", ORANGE, is_new)):
            _draw_errors(above, distance[group], error[group], survives[group], colour=colour, name=name)
            _draw_survival(below, distance[group], survives[group], colour)
        above.set_yscale("log")
        above.set_ylabel("|energy error|, kcal/mol")
        above.legend(loc="best", handletextpad=0.2)
        below.set_ylim(-0.05, 1.05)
        below.set_ylabel("share that survives")
        below.set_xlabel("RMSD to the nearest frame, Å")
        figure.savefig(out, dpi=300, metadata=undated(out))


def rates(distance: Array, survives: Array) -> list[tuple[float, Proportion]]:
    """Return the mean distance of minima and how many survive, in bins of about equally many minima."""
    n_bins = int(np.clip(len(distance) // _PER_BIN, 1, _MOST_BINS))
    bins = np.array_split(np.argsort(distance, kind="stable"), n_bins) if len(distance) else []
    return [(float(distance[rows].mean()), Proportion(int(survives[rows].sum()), len(rows))) for rows in bins]


def _draw_errors(axes: Axes, distance: Array, error: Array, survives: Array, *, colour: str, name: str) -> None:
    total = Proportion(int(survives.sum()), len(survives))
    axes.scatter(
        distance[survives],
        error[survives],
        s=9,
        color=colour,
        linewidths=0,
        label=f"{name}: {total.count} of {total.total}",
    )
    axes.scatter(distance[~survives], error[~survives], s=9, facecolors="none", edgecolors=colour, linewidths=0.6)


def _draw_survival(axes: Axes, distance: Array, survives: Array, colour: str) -> None:
    for at, rate in rates(distance, survives):
        low, high = rate.interval()
        axes.plot([at, at], [low, high], color=colour, linewidth=0.8)
        axes.plot(at, rate.share, "o", color=colour, markersize=3)


__all__ = ["draw", "rates"]
