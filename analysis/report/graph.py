"""The disconnectivity graph, as nodes with places and energies: the page draws the lines between them."""

from typing import Any

import numpy as np

from pesx.analysis.disconnectivity import MARGIN, disconnectivity

from .material import Material, left_out, plain


def graph(material: Material) -> dict[str, Any]:
    """Return the nodes of the graph; minima first, then joins, the lowest first.

    A node has a ``place`` in widths of a leaf, an ``energy`` and a ``turn`` (where its line goes to the side) above the lowest
    minimum, and a ``parent``, -1 for none. ``number`` is that of the minimum of a leaf, of the transition state of a join.
    """
    network = material.network
    if not len(network.minima):
        return left_out("There is no graph, because no minimum with an energy was found yet.")
    drawn = disconnectivity(network)
    tree, scale, zero = drawn.tree, material.scale, float(network.minima.energy.min())
    # Minima of one energy alone have no reach, and the layout takes their absolute energy instead.
    is_flat = float(tree.energy.max()) == zero
    bottom, top = (-0.5 * scale, 0.5 * scale) if is_flat else (drawn.bottom - zero, drawn.top - zero)
    return {
        "n_leaves": tree.n_leaves,
        "place": plain(drawn.place),
        "energy": plain((tree.energy - zero) / scale, 6),
        "turn": plain((drawn.turn - zero) / scale, 6),
        "parent": tree.parent.tolist(),
        "number": [
            *network.minima.number[tree.minimum].tolist(),
            *network.transition_states.number[tree.transition_state].tolist(),
        ],
        "open": np.flatnonzero(drawn.is_open).tolist(),
        "bottom": bottom / scale,
        "top": top / scale,
        "stub": 0.5 * MARGIN * (top - bottom) / scale,
        "unit": material.unit,
        "notes": [*drawn.notes, f"zero at {zero / scale:.6f} {material.unit}".rstrip()],
        "has_joins": len(tree.parent) > tree.n_leaves,
    }


__all__ = ["graph"]
