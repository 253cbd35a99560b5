"""How all figures look."""

from pathlib import Path
from typing import Any

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
"""Okabe and Ito's colours, which the colour-blind can tell apart (jfly.uni-koeln.de/color), and a grey."""

COLOURS = (GREY, BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""For curves side by side, the first for what the others are compared with."""

STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "svg.hashsalt": "pesx",
    "pdf.fonttype": 42,
}

COLUMN_WIDTH = 3.35
"""A journal's single column, inch."""


def undated(path: Path) -> dict[str, None] | None:
    """Return metadata that keep the date out, so that the same table gives the same file."""
    key = {".pdf": "CreationDate", ".svg": "Date"}.get(path.suffix)
    return {key: None} if key else None
