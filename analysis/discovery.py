"""How the minima of a run came in: how many were found after how much work, and what was still unseen then."""

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from pesx.errors import InputError
from pesx.landscape.completeness import Completeness, completeness

from .run import Run
from .style import BLUE, COLUMN_WIDTH, GREY, ORANGE, STYLE, undated

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Discovery:
    """The state of a search after more and more quenches, one numpy array per column.

    Attributes:
        n_quenches: Quenches made, of any outcome.
        n_evaluations: Force evaluations spent.
        n_minima: Distinct minima visited.
        unseen_mass: Chance that the next quench to a minimum is new.
        unseen_mass_upper: Its upper confidence bound.
        n_estimated: Lower bound of the number of minima this search can reach (Chao1).
        n_estimated_lower: Lower end of its confidence interval.
        n_estimated_upper: Upper end of its confidence interval.
    """

    n_quenches: Array
    n_evaluations: Array
    n_minima: Array
    unseen_mass: Array
    unseen_mass_upper: Array
    n_estimated: Array
    n_estimated_lower: Array
    n_estimated_upper: Array


def discovery(run: Run, *, window: float | None = None, n_points: int = 200, confidence: float = 0.95) -> Discovery:
    """Follow how the minima of a run came in.

    Args:
        run: With at least one minimum.
        window: Count only minima at most this far above the lowest of the whole run, eV; all by default.
        n_points: Rows of the table, evenly spaced in quenches.
        confidence: Of bound and interval.
    """
    if n_points < 1 or (window is not None and window < 0):
        raise InputError(f"Expected n_points >= 1 and window >= 0; came {n_points} and {window}. Choose larger ones.")
    energy = run.require_minima().energy
    is_inside = (energy <= energy.min() + (float("inf") if window is None else window)).numpy()
    evaluations = np.cumsum(run.quenches.n_evaluations)
    total = len(run.quenches)
    stops = np.unique(np.linspace(total / min(n_points, total), total, min(n_points, total)).round().astype(np.int64))

    visits = np.zeros(len(energy), dtype=np.int64)
    rows, start = [], 0
    for stop in stops:
        ends = run.quenches.minimum[start:stop]
        ends = ends[ends >= 0]
        visits += np.bincount(ends[is_inside[ends]], minlength=len(visits))
        start = stop
        seen = completeness(torch.from_numpy(visits), confidence=confidence)
        rows.append((stop, evaluations[stop - 1], *_estimates(seen)))
    return Discovery(*(np.array(column) for column in zip(*rows, strict=True)))


def _estimates(seen: Completeness) -> tuple[float, ...]:
    mass = seen.unseen_mass, seen.unseen_mass_upper
    return (seen.n_minima, *mass, seen.n_estimated, seen.n_estimated_lower, seen.n_estimated_upper)


def write_discovery(curve: Discovery, path: Path | str) -> None:
    """Write the table as CSV."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(curve)])
        writer.writerows(zip(*(column.tolist() for column in astuple(curve)), strict=True))


def draw_discovery(curve: Discovery, path: Path | str, *, title: str = "", against: str = "quenches") -> None:
    """Draw the table at the width of a column: minima found and estimated above, unseen mass below.

    Args:
        curve: Made by :func:`discovery`.
        path: Figure file; its ending chooses the format (pdf, svg, png).
        title: Above the figure, such as the name of the molecule and the window.
        against: ``quenches`` or ``evaluations``.
    """
    labels = {"quenches": "quenches", "evaluations": "force evaluations"}
    if against not in labels:
        raise InputError(f"Expected against to be one of {', '.join(labels)}; came {against!r}. Choose one of these.")
    work = curve.n_quenches if against == "quenches" else curve.n_evaluations
    with rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _draw_minima(above, work, curve)
        _draw_mass(below, work, curve)
        below.set_xlabel(labels[against])
        below.set_xlim(0, float(work[-1]))
        below.xaxis.set_major_formatter(EngFormatter(sep=""))
        below.xaxis.set_major_locator(MaxNLocator(5))
        if title:
            above.set_title(title, loc="left", fontsize=8)
        figure.savefig(Path(path), dpi=300, metadata=undated(Path(path)))


def _draw_minima(axes: Axes, work: Array, curve: Discovery) -> None:
    axes.plot(work, curve.n_minima, color=BLUE, label="found")
    axes.plot(work, curve.n_estimated, color=ORANGE, linestyle="--", label="estimated, at least (Chao1)")
    axes.fill_between(
        work,
        curve.n_estimated_lower,
        curve.n_estimated_upper,
        color=ORANGE,
        alpha=0.18,
        linewidth=0,
        label="its confidence interval",
    )
    # The first few quenches say almost nothing, and their intervals would squeeze everything else.
    axes.set_ylim(0, 1.25 * max(float(curve.n_estimated_upper[-1]), float(curve.n_minima[-1]), 1.0))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("distinct minima")
    axes.annotate(
        f"{int(curve.n_minima[-1])}",
        (float(work[-1]), float(curve.n_minima[-1])),
        xytext=(-2, -9),
        textcoords="offset points",
        ha="right",
        color=BLUE,
        fontsize=7,
    )
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.08), handlelength=1.6)


def _draw_mass(axes: Axes, work: Array, curve: Discovery) -> None:
    is_positive = curve.unseen_mass > 0  # zero has no place on a logarithmic axis; the bound tells the rest
    axes.fill_between(
        work,
        np.where(is_positive, curve.unseen_mass, curve.unseen_mass_upper),
        curve.unseen_mass_upper,
        color=GREY,
        alpha=0.25,
        linewidth=0,
    )
    axes.plot(work, curve.unseen_mass_upper, color=GREY, linewidth=0.8, label="its upper bound")
    axes.plot(work, np.where(is_positive, curve.unseen_mass, np.nan), color=BLUE, label="chance the next is new")
    axes.set_yscale("log")
    axes.set_ylim(top=1.0)
    axes.set_ylabel("unseen mass")
    axes.legend(loc="upper right", handlelength=1.6)
