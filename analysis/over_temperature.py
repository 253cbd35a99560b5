"""What figures against temperature have in common."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pesx.errors import InputError

from .style import COLUMN_WIDTH, GREY, STYLE, undated

Array = np.ndarray[Any, np.dtype[Any]]

_FORMATS, _DPI = (".pdf", ".svg", ".png"), 400
_LEFT_MARGIN, _CHARACTERS_PER_INCH = 0.5, 23.0


def temperature_column(unit: str) -> str:
    """Return the name of a column of temperatures: ``temperature_k``, or in reduced units ``kt`` with the unit."""
    return "temperature_k" if unit == "K" else f"kt_{unit}".rstrip("_")


def draw_over_temperature(
    path: Path | str,
    draw: Callable[[Axes], None],
    *,
    temperature: Array,
    unit: str,
    width: float = COLUMN_WIDTH,
    height: float = 2.6,
    title: str = "",
    notes: tuple[str, ...] = (),
) -> None:
    """Draw a figure with temperatures to the right, and write it.

    Args:
        path: Figure file; its ending chooses the format (pdf, svg, png).
        draw: Draws into the axes, all but the axis of temperatures.
        temperature: From the first to the last.
        unit: K, or the unit of energies where that is reduced.
        width: Of the figure, inch.
        height: Of the figure, inch.
        title: Above the figure.
        notes: Below the figure.

    Raises:
        InputError: There is no such format, or fewer than two temperatures.
    """
    place = Path(path)
    if place.suffix not in _FORMATS:
        raise InputError(f"Expected a figure file that ends in {', '.join(_FORMATS)}; came {place.name!r}. Rename it.")
    if len(temperature) < 2:
        raise InputError(f"Expected two temperatures or more for a figure; came {len(temperature)}. Give a range.")
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        draw(axes)
        axes.set_xlim(float(temperature[0]), float(temperature[-1]))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel(
            "temperature, K" if unit == "K" else f"kT, {unit.replace('epsilon', 'ε') or 'unit of the source'}"
        )
        if title:
            axes.set_title(title, loc="left", fontsize=8)
        if notes:
            text = textwrap.fill("; ".join(notes), width=int((width - _LEFT_MARGIN) * _CHARACTERS_PER_INCH))
            figure.supxlabel(text, fontsize=5.5, x=0.01, ha="left", color=GREY, linespacing=1.3)
        figure.savefig(place, dpi=_DPI, metadata=undated(place))


__all__ = ["draw_over_temperature", "temperature_column"]
