"""Error against the number of labels, for several ways of training: means over seeds, their intervals, table and figure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator, ScalarFormatter
from scipy.stats import t as student

from pesx.errors import InputError

from .style import COLOURS, COLUMN_WIDTH, STYLE, undated

Array = np.ndarray[Any, np.dtype[Any]]

_MARKERS = "osD^vPX*"

_APART = 1.025
"""Factor between the places of two curves at one number of labels."""

_LABEL_GAP = 0.065
"""Least distance of two labels, as part of the height of the axes."""


@dataclass(frozen=True)
class LearningCurve:
    """One way of training: its error after more and more labels, one numpy array per column.

    Attributes:
        name: Of the way.
        n_labels: Numbers of labelled frames, ascending.
        error: Geometric mean over the seeds.
        lower: Lower end of its confidence interval; NaN where there is one seed only.
        upper: Upper end.
        n_seeds: How many there are.
    """

    name: str
    n_labels: Array
    error: Array
    lower: Array
    upper: Array
    n_seeds: Array


def learning_curves(
    results: Iterable[Mapping[str, Any]], quantity: str, *, confidence: float = 0.95
) -> list[LearningCurve]:
    """Put results together that differ by their seed only, in the order in which the ways first come.

    The interval is Student's for the mean of the logarithms, so it has a meaning from two seeds on, and its lower end stays
    above zero.

    Args:
        results: With ``recipe``, ``size``, ``seed`` and the quantity; those without it, or with None, are left out.
        quantity: Name of the error, which must be above zero.
        confidence: Of the interval.

    Raises:
        InputError: An error is not above zero, or the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise InputError(f"Expected a confidence between 0 and 1; came {confidence}. Give one, such as 0.95.")
    groups: dict[str, dict[int, list[float]]] = {}
    for result in results:
        value = result.get(quantity)
        if value is None:
            continue
        if not value > 0:
            raise InputError(
                f"Expected {quantity} above zero; came {value} for {result['recipe']}. Look at that result."
            )
        groups.setdefault(result["recipe"], {}).setdefault(int(result["size"]), []).append(float(value))
    return [_curve(name, by_size, confidence) for name, by_size in groups.items()]


def _curve(name: str, by_size: Mapping[int, Sequence[float]], confidence: float) -> LearningCurve:
    rows = [(size, *_interval(np.log(by_size[size]), confidence), len(by_size[size])) for size in sorted(by_size)]
    return LearningCurve(name, *(np.array(column) for column in zip(*rows, strict=True)))


def _interval(logarithms: Array, confidence: float) -> tuple[float, float, float]:
    n, mean = len(logarithms), float(logarithms.mean())
    if n < 2:
        return float(np.exp(mean)), float("nan"), float("nan")
    half = float(student.ppf((1 + confidence) / 2, n - 1) * logarithms.std(ddof=1) / np.sqrt(n))
    return float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half))


def learning_table(curves: Sequence[LearningCurve]) -> str:
    """Return a table in Markdown: a row for each way of training, a column for each number of labels."""
    sizes = sorted({int(size) for curve in curves for size in curve.n_labels})
    lines = ["| | " + " | ".join(map(str, sizes)) + " |", "|---|" + "---|" * len(sizes)]
    for curve in curves:
        cells = {int(size): _cell(curve, index) for index, size in enumerate(curve.n_labels)}
        lines.append(f"| {curve.name} | " + " | ".join(cells.get(size, "") for size in sizes) + " |")
    return "\n".join(lines) + "\n"


def _cell(curve: LearningCurve, index: int) -> str:
    middle = f"{curve.error[index]:.3g}"
    if curve.n_seeds[index] < 2:
        return f"{middle} (one seed)"
    return f"{middle} ({curve.lower[index]:.3g} to {curve.upper[index]:.3g})"


def draw_learning_curves(panels: Mapping[str, Sequence[LearningCurve]], path: Path | str, *, title: str = "") -> None:
    """Draw curves on logarithmic axes, their names at their ends, one panel above the other.

    Args:
        panels: Curves by what their errors are, with its unit.
        path: Figure file; its ending chooses the format (pdf, svg, png).
        title: Above the figure.

    Raises:
        InputError: There is nothing to draw.
    """
    if not panels or not all(panels.values()):
        raise InputError("Expected at least one curve in every panel; came none. Draw when there are results.")
    names = list(dict.fromkeys(curve.name for curves in panels.values() for curve in curves))
    with rc_context(STYLE):
        figure = Figure(figsize=(1.45 * COLUMN_WIDTH, 2.9 * len(panels)), layout="constrained")
        FigureCanvasAgg(figure)
        every = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (label, curves) in zip(every, panels.items(), strict=True):
            _draw(axes, curves, names)
            axes.set_ylabel(label)
        every[-1].set_xlabel("accurate frames")
        if title:
            every[0].set_title(title, loc="left", fontsize=8)
        figure.savefig(Path(path), dpi=300, metadata=undated(Path(path)))


def _draw(axes: Axes, curves: Sequence[LearningCurve], names: Sequence[str]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for curve in curves:
        number = names.index(curve.name)
        colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
        # Side by side, or intervals would hide each other.
        place = curve.n_labels * _APART ** (number - (len(names) - 1) / 2)
        axes.plot(place, curve.error, color=colour, marker=marker, markersize=3)
        known = np.isfinite(curve.lower)
        reach = np.stack([curve.error - curve.lower, curve.upper - curve.error])[:, known]
        axes.errorbar(place[known], curve.error[known], reach, fmt="none", ecolor=colour, elinewidth=0.7, capsize=1.5)
    _name_sizes(axes, sorted({int(size) for curve in curves for size in curve.n_labels}))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    _name_curves(axes, curves, names)


def _name_sizes(axes: Axes, sizes: Sequence[int]) -> None:
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())


def _name_curves(axes: Axes, curves: Sequence[LearningCurve], names: Sequence[str]) -> None:
    """Write the name of each curve right of its end, moved up or down where two would touch."""
    low, high = np.log(axes.get_ylim())
    ends = np.array([(np.log(curve.error[-1]) - low) / (high - low) for curve in curves])
    for curve, place in zip(curves, spread(ends, _LABEL_GAP), strict=True):
        colour = COLOURS[names.index(curve.name) % len(COLOURS)]
        axes.annotate(
            curve.name,
            (float(curve.n_labels[-1]), float(curve.error[-1])),
            xytext=(1.04, float(place)),
            textcoords="axes fraction",
            va="center",
            color=colour,
            fontsize=7,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4, "relpos": (0, 0.5)},
        )


def spread(places: Array, gap: float) -> Array:
    """Return places in the same order, at least a gap from each other, their mean kept."""
    order = np.argsort(places, kind="stable")
    moved = places[order].astype(np.float64)
    steps = gap * np.arange(len(moved))
    moved = np.maximum.accumulate(moved - steps) + steps
    moved += places.mean() - moved.mean()
    found = np.empty_like(moved)
    found[order] = moved
    return found
