"""The disconnectivity graph of a network: which minima are reached from which, and over what height."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pesx.errors import InputError
from pesx.landscape.basins import monotonic_basins
from pesx.landscape.network import Network, count_text
from pesx.landscape.tree import Tree
from pesx.units import KCAL_PER_MOL

from .layout import layout

Array = np.ndarray[Any, np.dtype[Any]]

_EXACT_UP_TO = 60
"""Minima up to which joins are drawn at their exact energies unless told otherwise."""

_N_LEVELS = 40
"""About so many levels for more minima."""

_OUTLIER, _HEADROOM = 3.0, 1.2
"""If the highest join is so many times as high as 95 of 100 joins are, the axis ends a little above these."""

MARGIN = 0.05
"""Below the lowest minimum and above the highest join, as part of the distance between them."""

_EXACT_SLANT = 0.05
"""Height over which lines go to the side where there are no levels, as part of the axis."""


@dataclass(frozen=True)
class DisconnectivityGraph:
    """What is drawn; made by :func:`disconnectivity`.

    Attributes:
        network: All of it, also what is not drawn.
        tree: What is drawn; joins are at the levels, if there are any.
        place: Horizontal place of each node, in widths of a leaf.
        turn: Energy at which the line up from each node goes to the side.
        is_open: Whether a root is joined to others above the axis; False for other nodes.
        bottom: Lower end of the energy axis, in the unit of the network.
        top: Its upper end.
        spacing: Of the levels; 0 where joins are at their exact energies.
        notes: What is drawn and what is not, for the figure.
    """

    network: Network
    tree: Tree
    place: Array
    turn: Array
    is_open: Array
    bottom: float
    top: float
    spacing: float
    notes: tuple[str, ...]


def disconnectivity(
    network: Network,
    *,
    lowest: int | None = None,
    component_of: int | None = None,
    min_barrier: float = 0.0,
    is_by_basin: bool = False,
    levels: int | None = None,
    max_height: float | None = None,
    notes: tuple[str, ...] = (),
) -> DisconnectivityGraph:
    """Lay out the disconnectivity graph of a network.

    Minima that are not drawn still count as ways between others.

    Args:
        network: With at least one minimum.
        lowest: Draw so many minima, the lowest.
        component_of: Draw what is connected to the minimum of this row.
        min_barrier: Draw minima from which the way to a lower one rises at least so much, in the unit of the network.
        is_by_basin: Draw the minima at the bottom of :func:`~pesx.landscape.basins.monotonic_basins` alone.
        levels: About how many levels joins are lifted to; 0 for exact energies. By default exact for up to 60 minima, else 40.
        max_height: Height above the lowest minimum at which the energy axis ends, in the unit of the network. By default all is
            shown, unless the highest join is three times as high as 95 of 100 are.
        notes: What else is to be said in the figure, such as where the network comes from.

    Raises:
        InputError: There are no minima, or none of them would be drawn.
    """
    for name, value, least in (
        ("lowest", lowest, 1),
        ("min_barrier", min_barrier, 0),
        ("levels", levels, 0),
        ("max_height", max_height, 0),
    ):
        if value is not None and not value >= least:
            raise InputError(f"Expected {name} of at least {least}; came {value}. Choose a larger one.")
    network.require_minima()
    tree = Tree.of(network)
    choice = _Choice(network)
    if component_of is not None:
        choice.keep_part(component_of)
    if is_by_basin:
        choice.keep(monotonic_basins(network) == np.arange(len(network.minima)), "inside monotonic-sequence basins")
    if min_barrier > 0:
        choice.keep(tree.barriers >= min_barrier, f"with barriers below {choice.text(min_barrier)}")
    if lowest is not None:
        choice.keep_lowest(lowest)
    tree = tree.restricted(choice.mask)
    ground, highest = float(network.minima.energy.min()), float(tree.energy.max())
    tree, is_joined_above, n_cut = _below(tree, _end(tree) if max_height is None else ground + max_height)
    said = choice.notes
    if any(n_cut):
        what = f"{count_text(n_cut[0], 'join')} and {count_text(n_cut[1], 'minimum', 'minima')}"
        said.append(f"{what} above the axis, up to {choice.text(highest - ground)}")
    spacing = _spacing(tree, _N_LEVELS * (tree.n_leaves > _EXACT_UP_TO) if levels is None else levels, choice.scale)
    if spacing:
        base = float(tree.energy.min())
        n_levels = max(1, int(np.ceil((tree.energy.max() - base) / spacing - 1e-9)))
        tree = tree.binned(base + spacing * np.arange(1, n_levels + 1))
        said.append(f"joins drawn at levels {choice.text(spacing)} apart")
    is_open = np.zeros(len(tree.parent), dtype=bool)
    is_open[tree.roots] = is_joined_above[tree.lowest[tree.roots]]
    reach = float(tree.energy.max() - tree.energy.min()) or abs(float(tree.energy[0])) or 1.0
    place, turn = layout(tree, spacing or _EXACT_SLANT * reach)
    return DisconnectivityGraph(
        network=network,
        tree=tree,
        place=place,
        turn=turn,
        is_open=is_open,
        bottom=float(tree.energy.min()) - MARGIN * reach,
        top=float(tree.energy.max()) + MARGIN * reach,
        spacing=spacing,
        notes=(*said, *_parts(tree, is_open), *notes),
    )


def axis_unit(network: Network) -> tuple[float, str]:
    """Return the unit of the energy axis in the unit of the network, and its name: kcal/mol for eV, else the same."""
    if network.unit == "eV":
        return KCAL_PER_MOL, "kcal/mol"
    return 1.0, {"epsilon": "ε"}.get(network.unit, network.unit)


class _Choice:
    """Which minima are drawn, and what to say about those that are not."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._reasons: list[str] = []
        self.mask: Array = np.ones(len(network.minima), dtype=bool)
        self.scale, self._unit = axis_unit(network)

    def keep(self, mask: Array, why_not: str) -> None:
        """Draw no more than the minima that a mask is true for."""
        n_lost = int((self.mask & ~mask).sum())
        self._reasons += [f"{n_lost:,} {why_not}"] * bool(n_lost)
        self.mask = self.mask & mask

    def keep_part(self, row: int) -> None:
        """Draw no more than what is connected to a minimum."""
        n = len(self.mask)
        if not 0 <= row < n:
            raise InputError(f"Expected component_of to be a row of {n} minima; came {row}. Choose another.")
        part = self._network.components()
        self.keep(part == part[row], f"not known to be connected to minimum {self._network.minima.number[row]}")

    def keep_lowest(self, n: int) -> None:
        """Draw no more than so many."""
        order = np.argsort(np.where(self.mask, self._network.minima.energy, np.inf), kind="stable")
        mask = np.zeros_like(self.mask)
        mask[order[:n]] = True
        self.keep(mask, "of higher energy")

    def text(self, energy: float) -> str:
        """Return an energy with the unit of the axis."""
        return f"{energy / self.scale:.4g} {self._unit}".rstrip()

    @property
    def notes(self) -> list[str]:
        """What is drawn, and what is not."""
        n, drawn = len(self.mask), int(self.mask.sum())
        what = f"{drawn:,} of {n:,} minima" if drawn < n else count_text(n, "minimum", "minima")
        left_out = self._network.left_out.statement
        reasons = f"not drawn: {', '.join(self._reasons)}"
        states = count_text(len(self._network.transition_states), "transition state")
        return [f"{what}, {states}", *[reasons] * bool(self._reasons), *[left_out] * bool(left_out)]


def _end(tree: Tree) -> float:
    """Return where the axis is to end, so that a few joins high above the others do not squeeze these."""
    joins, ground = tree.energy[tree.n_leaves :], tree.energy[: tree.n_leaves].min()
    if not joins.size:
        return float("inf")
    usual = float(np.quantile(joins, 0.95, method="lower")) - ground
    return float(ground + _HEADROOM * usual) if joins.max() - ground > _OUTLIER * usual > 0 else float("inf")


def _below(tree: Tree, end: float) -> tuple[Tree, Array, tuple[int, int]]:
    """Return the tree up to an energy, which of its minima are joined to others above, and how many nodes are not in it."""
    n = tree.n_leaves
    highest = np.full(len(tree.parent), -np.inf)
    for node in range(len(tree.parent) - 1, n - 1, -1):
        above = tree.parent[node]
        highest[node] = highest[above] if above >= 0 else tree.energy[node]
    above = tree.parent[:n]
    keep = tree.energy[:n] <= end
    if not keep.any():
        raise InputError(f"Expected a max_height that some minima are below; none is at {end:g}. Choose a larger one.")
    is_joined = (above >= 0) & (highest[above] > end)
    n_joins = int((tree.energy[n:] > end).sum())
    return tree.cut(end).restricted(keep), is_joined[keep], (n_joins, int((~keep).sum()))


def _spacing(tree: Tree, levels: int, scale: float) -> float:
    """Return a round distance of levels, of which there are about so many; 0 for none."""
    reach = (tree.energy.max() - tree.energy.min()) / scale
    if not levels or not reach > 0 or not len(tree.transition_state):
        return 0.0
    decade = 10 ** np.floor(np.log10(reach / levels))
    return float(min((1, 2, 2.5, 5, 10), key=lambda step: abs(np.log(step * decade * levels / reach))) * decade * scale)


def _parts(tree: Tree, is_open: Array) -> list[str]:
    """Say what is not joined to the rest, and how it is drawn."""
    if not len(tree.transition_state):
        return ["no way between them is known"] * (tree.n_leaves > 1 and not is_open.any())
    sizes, shut = tree.sizes, tree.roots[~is_open[tree.roots]]
    n_parts, n_isolated = int((sizes[shut] > 1).sum()), int((sizes[shut] == 1).sum())
    is_apart = n_parts + bool(is_open.any()) > 1
    isolated = f"{count_text(n_isolated, 'minimum', 'minima')} not known to be connected (dashes)"
    return [f"{n_parts} parts not known to be connected (dotted)"] * is_apart + [isolated] * bool(n_isolated)


def write_disconnectivity(graph: DisconnectivityGraph, path: Path | str, *, quantity: str = "energy") -> None:
    """Write what is drawn as CSV, one row per node: minima first, then joins, each with the node it hangs from.

    ``energy`` is that of the minimum or of the transition state with this number, ``drawn_at`` that of the figure, in the unit
    of the network. Its column is called after the quantity, such as ``free energy``.
    """
    tree, network, sizes = graph.tree, graph.network, graph.tree.sizes
    unit = f"_{network.unit.lower().replace('/', '_per_')}" if network.unit else ""
    properties = network.minima.properties
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        name = quantity.replace(" ", "_")
        columns = ("node", "kind", "number", f"{name}{unit}", f"drawn_at{unit}", "parent", "place", "n_minima")
        writer.writerow([*columns, *properties])
        for node in range(len(tree.parent)):
            is_leaf = node < tree.n_leaves
            row = tree.minimum[node] if is_leaf else tree.transition_state[node - tree.n_leaves]
            points = network.minima if is_leaf else network.transition_states
            energies = f"{points.energy[row]:.10f}", f"{tree.energy[node]:.10f}"
            parent = tree.parent[node] if tree.parent[node] >= 0 else ""
            values = [column[row] if is_leaf else "" for column in properties.values()]
            kind = "minimum" if is_leaf else "join"
            place = f"{graph.place[node]:.4f}"
            writer.writerow([node, kind, points.number[row], *energies, parent, place, sizes[node], *values])
