"""One HTML file about a run, with all that it shows inside: it opens without a network."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from pesx.analysis.colouring import SCALE
from pesx.analysis.style import BLUE, COLOURS, GREY, ORANGE
from pesx.files import write_whole
from pesx.typing import Float, Tensor

from .columns import columns
from .effort import effort, violations
from .graph import graph
from .material import Material
from .overview import overview
from .ramachandran import ramachandran
from .reference import reference
from .search import discovery_curve, energies
from .structures import structures

_SCRIPTS = (
    "figure.js",
    "viewer.js",
    "graph.js",
    "map.js",
    "table.js",
    "search.js",
    "ramachandran.js",
    "reference.js",
    "cost.js",
    "report.js",
)
"""In the order in which the page reads them."""

_N_COLOURS = 64


def write_report(folder: Path | str, out: Path | str, *, frames: Float[Tensor, "F N 3"] | None = None) -> Path:
    """Write the report about a run; the same run gives the same file.

    Args:
        folder: Run folder; the run may be going on, and may have found nothing yet.
        out: The HTML file.
        frames: Of the training data, angstrom, in the order of the atoms of the run, for the maps of backbone torsions.

    Returns:
        The file.

    Raises:
        RunFolderError: The folder holds no run, or one that cannot be read.
        InputError: RUN/novelty.csv is not about this run.
    """
    material = Material.of(folder, frames=frames)
    path = Path(out)
    write_whole(path, page(contents(material)))
    return path


def contents(material: Material) -> dict[str, Any]:
    """Return what the page shows, as plain values; a part without data is ``{"left_out": sentence}``."""
    return {
        "overview": overview(material),
        "minima": {
            "number": list(range(len(material.run.minima))),
            "energy": [round(value, 9) if value == value else None for value in material.energy.tolist()],
            "columns": columns(material),
            "energy_unit": "ε" if material.network.unit == "epsilon" else material.network.unit,
        },
        "structures": structures(material),
        "graph": graph(material),
        "discovery": discovery_curve(material),
        "energies": energies(material),
        "ramachandran": ramachandran(material),
        "reference": reference(material),
        "violations": violations(material),
        "effort": effort(material),
        "colours": _colours(),
    }


def page(shown: dict[str, Any]) -> str:
    """Return the HTML: template, style and scripts of this folder around the data."""
    parts = files("pesx.analysis.report")

    def read(name: str) -> str:
        return parts.joinpath(name).read_text(encoding="utf-8")

    # A text that holds </script> would end the script it is in.
    data = json.dumps(shown, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    title = f"{shown['overview']['title']}: report of pesx".replace("&", "&amp;").replace("<", "&lt;")
    filled = {
        "title": title,
        "style": read("report.css"),
        "script": "\n".join(read(name) for name in _SCRIPTS),
        "data": data,
    }
    before, *pieces = read("template.html").split("{{")
    out = [before]
    for piece in pieces:
        name, after = piece.split("}}", 1)
        out += [filled[name], after]
    return "".join(out)


def _colours() -> dict[str, Any]:
    scale = SCALE(np.linspace(0, 1, _N_COLOURS))
    return {
        "scale": [to_hex(colour) for colour in scale],
        "groups": list(COLOURS[1:]),
        "known": BLUE,
        "new": ORANGE,
        "grey": GREY,
    }


__all__ = ["contents", "page", "write_report"]
