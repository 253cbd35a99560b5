"""The figure of a disconnectivity graph."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pesx.errors import InputError

from .colouring import BLACK, Colouring
from .disconnectivity import MARGIN, DisconnectivityGraph, axis_unit
from .layout import lines
from .style import COLUMN_WIDTH, GREY, ORANGE, STYLE, undated

Array = np.ndarray[Any, np.dtype[Any]]

_NUMBERED_UP_TO = 24
"""Minima up to which they are named."""

_SCALE_BAR_FROM = 40
"""Minima from which a bar says how wide so many are."""

_LEFT_MARGIN, _CHARACTERS_PER_INCH = 0.5, 23.0
_FORMATS, _DPI = (".pdf", ".svg", ".png"), 400


def draw_disconnectivity(
    graph: DisconnectivityGraph,
    path: Path | str,
    *,
    color: str | None = None,
    mark: Array | None = None,
    mark_label: str = "new",
    is_absolute: bool = False,
    quantity: str = "energy",
    width: float = COLUMN_WIDTH,
    height: float = 3.4,
    title: str = "",
) -> None:
    """Draw the graph: every minimum is a line that ends at its energy, and lines meet where minima are joined.

    Args:
        graph: Of :func:`disconnectivity`.
        path: Figure file; its ending chooses the format (pdf, svg, png).
        color: Property of the minima to colour them by, or ``energy``.
        mark: Mask over the minima of the network: those to mark.
        mark_label: What these are, for the legend.
        is_absolute: Whether the axis shows energies as they are, instead of heights above the lowest minimum of the network.
        quantity: What the axis shows.
        width: Of the figure, inch.
        height: Of the figure, inch.
        title: Above the figure.

    Raises:
        InputError: There is no such property, or no such format.
    """
    if Path(path).suffix not in _FORMATS:
        raise InputError(
            f"Expected a figure file that ends in {', '.join(_FORMATS)}; came {Path(path).name!r}. Rename it."
        )
    colouring = Colouring.of(graph.tree, graph.network.minima, color)
    scale, unit = axis_unit(graph.network)
    zero = 0.0 if is_absolute else float(graph.network.minima.energy.min())
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        _draw_lines(axes, graph, colouring, scale=scale, zero=zero)
        _draw_minima(axes, graph, colouring, scale=scale, zero=zero)
        if mark is not None:
            _draw_marks(axes, graph, mark, mark_label, scale=scale, zero=zero)
        _finish(axes, graph, scale=scale, zero=zero)
        suffix = f" ({unit or 'unit of the source'})"
        axes.set_ylabel(f"{quantity}{suffix}" if is_absolute else f"{quantity} above the lowest minimum{suffix}")
        # Branches are highest at the sides, but minima without a way stand at the right.
        has_isolated = bool((graph.tree.roots < graph.tree.n_leaves).any())
        colouring.explain(axes, is_at_left=has_isolated)
        if title:
            axes.set_title(title, loc="left", fontsize=8)
        at = f"zero at {zero / scale:.6f}{unit and f' {unit}'}"
        notes = graph.notes if is_absolute else (*graph.notes, at)
        text = textwrap.fill("; ".join(notes), width=int((width - _LEFT_MARGIN) * _CHARACTERS_PER_INCH))
        axes.set_xlabel(text, fontsize=5.5, loc="left", color=GREY, linespacing=1.3)
        figure.savefig(Path(path), dpi=_DPI, metadata=undated(Path(path)))


def _line_width(graph: DisconnectivityGraph) -> float:
    return float(np.clip(5 / np.sqrt(graph.tree.n_leaves), 0.15, 1.0))


def _draw_lines(axes: Axes, graph: DisconnectivityGraph, colouring: Colouring, *, scale: float, zero: float) -> None:
    tree = graph.tree
    points = lines(tree, graph.place, graph.turn)
    points[..., 1] = (points[..., 1] - zero) / scale
    # Those of high joins first, so that the fine lines of low minima stay on top.
    drawn = np.flatnonzero(tree.parent >= 0)[::-1]
    width = _line_width(graph)
    axes.add_collection(
        LineCollection(
            list(points[drawn]), colors=colouring.colours[drawn], linewidths=width, capstyle="round", joinstyle="round"
        )
    )
    for root in tree.roots.tolist():
        start = (tree.energy[root] - zero) / scale
        if graph.is_open[root]:
            ends, style = (start, (graph.top - zero) / scale), "-"
        elif root >= tree.n_leaves:
            stub = 0.5 * MARGIN * (graph.top - graph.bottom) / scale
            ends, style = (start, start + stub), ":" if len(tree.roots) > 1 else "-"
        else:
            continue
        axes.plot([graph.place[root]] * 2, ends, style, color=colouring.colours[root], linewidth=width)


def _draw_minima(axes: Axes, graph: DisconnectivityGraph, colouring: Colouring, *, scale: float, zero: float) -> None:
    """Draw dashes for minima that nothing leads to, a dot for the lowest minimum, and names where there is room."""
    tree = graph.tree
    height = (tree.energy[: tree.n_leaves] - zero) / scale
    alone = np.flatnonzero((tree.parent[: tree.n_leaves] < 0) & ~graph.is_open[: tree.n_leaves])
    axes.scatter(
        graph.place[alone], height[alone], marker="_", s=9, linewidths=0.6, c=colouring.colours[alone], zorder=2
    )
    best = int(np.argmin(height))
    axes.plot(graph.place[best], height[best], "o", color=BLACK, markersize=3, zorder=4)
    if tree.n_leaves <= _NUMBERED_UP_TO:
        for leaf in range(tree.n_leaves):
            name = str(graph.network.minima.number[tree.minimum[leaf]])
            place = (graph.place[leaf], height[leaf])
            axes.annotate(
                name, place, xytext=(0, -3), textcoords="offset points", ha="center", va="top", fontsize=6, zorder=5
            )


def _draw_marks(axes: Axes, graph: DisconnectivityGraph, mark: Array, label: str, *, scale: float, zero: float) -> None:
    tree = graph.tree
    leaves = np.flatnonzero(np.asarray(mark, dtype=bool)[tree.minimum])
    size = float(np.clip(60 / np.sqrt(max(len(leaves), 1)), 1.5, 12))
    axes.scatter(
        graph.place[leaves],
        (tree.energy[leaves] - zero) / scale,
        marker="v",
        s=size,
        color=ORANGE,
        linewidths=0,
        zorder=3,
        label=f"{label} ({len(leaves)} of {tree.n_leaves})",
    )


def _finish(axes: Axes, graph: DisconnectivityGraph, *, scale: float, zero: float) -> None:
    left, right = float(graph.place.min()), float(graph.place.max())
    margin = 0.02 * (right - left) + 0.6
    axes.set_xlim(left - margin, right + margin)
    axes.set_ylim((graph.bottom - zero) / scale, (graph.top - zero) / scale)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    if graph.tree.n_leaves >= _SCALE_BAR_FROM:
        n = int(_round_below(graph.tree.n_leaves / 8))
        y = (graph.bottom - zero) / scale
        axes.plot([left, left + n], [y, y], color=GREY, linewidth=1.2, clip_on=False, solid_capstyle="butt")
        place = (left + n, y)
        axes.annotate(
            f"{n} minima", place, xytext=(2, 0), textcoords="offset points", va="center", fontsize=6, color=GREY
        )


def _round_below(value: float) -> float:
    decade = 10 ** np.floor(np.log10(value))
    return float(max(step for step in (1, 2, 5) if step * decade <= value) * decade)
