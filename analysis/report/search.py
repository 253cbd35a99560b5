"""How the minima came in, and at which energies they lie."""

from dataclasses import asdict
from typing import Any

import numpy as np

from pesx.analysis.discovery import discovery

from .material import Array, Material, left_out, plain

_N_BINS = 24


def discovery_curve(material: Material) -> dict[str, Any]:
    """Return the table of :func:`~pesx.analysis.discovery.discovery`, column by column."""
    if not len(material.run.minima):
        return left_out("There is no discovery curve, because no minimum was found yet.")
    if not len(material.run.quenches):
        return left_out("There is no discovery curve, because the run has no quenches.")
    curve = discovery(material.run)
    return {name: plain(np.asarray(column), 6) for name, column in asdict(curve).items()}


def energies(material: Material) -> dict[str, Any]:
    """Return how many minima lie in each interval above the lowest: ``edges``, and ``counts`` of each group of minima."""
    height = material.relative_energy
    is_there = np.isfinite(height)
    if not is_there.any():
        return left_out("There is no distribution of energies, because no minimum with an energy was found yet.")
    edges = round_edges(float(height[is_there].max()))
    groups = {"known": material.is_new == 0, "new": material.is_new == 1, "not compared": np.isnan(material.is_new)}
    if not material.novelty:
        groups = {"minima": is_there}
    counts = {name: np.histogram(height[is_there & mask], edges)[0].tolist() for name, mask in groups.items()}
    return {
        "edges": plain(edges, 9),
        "counts": {name: count for name, count in counts.items() if any(count)},
        "unit": material.unit,
        "n_without": int((~is_there).sum()),
    }


def round_edges(highest: float, n_bins: int = _N_BINS) -> Array:
    """Return edges of about so many intervals of a round width, from zero to above the highest value."""
    reach = highest if highest > 0 else 1.0
    decade = 10 ** np.floor(np.log10(reach / n_bins))
    width = float(min((1, 2, 2.5, 5, 10), key=lambda step: abs(np.log(step * decade * n_bins / reach))) * decade)
    edges: Array = width * np.arange(int(np.floor(reach / width)) + 2)
    return edges


__all__ = ["discovery_curve", "energies", "round_edges"]
