"""Colours of a tree by a property of its minima: by groups, or along a scale."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.lines import Line2D

from pesx.errors import InputError
from pesx.landscape.network import StationaryPoints
from pesx.landscape.tree import Tree

from .style import COLOURS

Array = np.ndarray[Any, np.dtype[Any]]

BLACK = "#222222"
_NONE = "#A8A8A8"
_MAX_GROUPS = 7

SCALE = ListedColormap(colormaps["viridis"](np.linspace(0, 0.88, 256)))
"""Without its yellow end, which thin lines on white would lose."""


@dataclass(frozen=True)
class Colouring:
    """A colour for each node of a tree, and what it means; made by :meth:`of`.

    Attributes:
        colours: RGBA of each node.
        label: What is shown; empty for nothing.
        groups: Name and colour of each group, for a legend.
        limits: Lowest and highest value of the scale, for a colour bar; None where there is none.
    """

    colours: Array
    label: str = ""
    groups: dict[str, Any] = field(default_factory=dict)
    limits: tuple[float, float] | None = None

    @classmethod
    def of(cls, tree: Tree, minima: StationaryPoints, name: str | None) -> "Colouring":
        """Colour leaves by a property; a join has the colour of its minima if they all have the same.

        Texts, truth values and up to seven different whole numbers make groups, other numbers a scale. Rare groups beyond the
        seventh, and missing values, are grey.

        Args:
            tree: To be coloured.
            minima: Those of its network.
            name: Of the property, or ``energy``; None for no colours.
        """
        if name is None:
            return cls(np.tile(to_rgba(BLACK), (len(tree.parent), 1)))
        known = {"energy": minima.energy, **minima.properties}
        if name not in known:
            raise InputError(f"Expected a property out of {', '.join(known)}; came {name!r}. Choose one of these.")
        values = known[name][tree.minimum]
        label = name.replace("_", " ")
        is_whole = values.dtype.kind in "iu" and len(np.unique(values)) <= _MAX_GROUPS
        return (
            _by_group(tree, values, label) if values.dtype.kind in "USb" or is_whole else _by_value(tree, values, label)
        )

    def explain(self, axes: Axes, *, is_at_left: bool = False) -> None:
        """Add a colour bar, and a legend in the lower right or left corner."""
        if self.limits is not None:
            bar = axes.figure.colorbar(
                ScalarMappable(Normalize(*self.limits), SCALE), ax=axes, fraction=0.04, pad=0.02, shrink=0.6, aspect=22
            )
            bar.set_label(self.label, fontsize=7)
            bar.ax.tick_params(labelsize=6, width=0.5)
            bar.outline.set_linewidth(0.5)
        groups = [Line2D([], [], color=colour, linewidth=1.5, label=name) for name, colour in self.groups.items()]
        handles = [*groups, *axes.get_legend_handles_labels()[0]]
        if handles:
            axes.legend(
                handles=handles,
                title=self.label if self.groups else "",
                title_fontsize=6.5,
                fontsize=6,
                loc="lower left" if is_at_left else "lower right",
                handlelength=1.2,
                labelspacing=0.3,
            )


def _by_group(tree: Tree, values: Array, label: str) -> Colouring:
    names, group, count = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-count, kind="stable")[:_MAX_GROUPS])
    palette = COLOURS[1:]
    colours = dict(zip(names[kept].tolist(), palette, strict=False))
    of_group = np.array([to_rgba(colours.get(name, _NONE)) for name in names.tolist()])
    node_group = _common(tree, group)
    found = np.where(node_group[:, None] >= 0, of_group[node_group], to_rgba(BLACK))
    groups = {name or "none": colour for name, colour in colours.items()}
    if len(names) > len(kept):
        groups[f"{len(names) - len(kept)} others"] = _NONE
    return Colouring(found, label, groups)


def _by_value(tree: Tree, values: Array, label: str) -> Colouring:
    is_known = np.isfinite(values)
    low, high = (float(values[is_known].min()), float(values[is_known].max())) if is_known.any() else (0.0, 1.0)
    limits = (low, high) if high > low else (low - 0.5, low + 0.5)
    colours = np.tile(to_rgba(BLACK), (len(tree.parent), 1))
    colours[: tree.n_leaves] = np.where(
        is_known[:, None], SCALE(Normalize(*limits)(np.where(is_known, values, low))), to_rgba(_NONE)
    )
    groups = {} if is_known.all() else {f"not known ({(~is_known).sum()})": _NONE}
    return Colouring(colours, label, groups, limits)


def _common(tree: Tree, group: Array) -> Array:
    """Return the group that all leaves below a node belong to, -1 where they differ."""
    found = np.full(len(tree.parent), -2, dtype=np.int64)
    found[: tree.n_leaves] = group
    for node, above in enumerate(tree.parent.tolist()):
        if above >= 0:
            found[above] = found[node] if found[above] in (-2, found[node]) else -1
    return found
