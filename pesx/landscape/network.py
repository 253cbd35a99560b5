"""The graph of a landscape: its minima, and the transition states that join them.

A network holds several transition states between the same two minima, and those that lead from a minimum back onto itself, as
they were found. Numbers of minima inside a network are rows; ``number`` says what a row is called where it comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import networkx as nx
import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pesx.errors import InputError
from pesx.landscape.records import Array, StoredMinima, StoredTransitionStates
from pesx.landscape.store import RunStore
from pesx.typing import Float, Tensor


@dataclass(frozen=True)
class StationaryPoints:
    """Minima, or transition states, one numpy array per column; made by :meth:`of`.

    Attributes:
        energy: In the unit of the network.
        log_product: Sum of log(eigenvalue) of the positive eigenvalues of the mass-weighted Hessian, in the units of the source
            (eV/(angstrom^2 u) for a run); NaN where not known.
        order: Order of the point group; 1 where not known.
        number: What each is called where it comes from.
        properties: Further columns by name, numbers or texts.
    """

    energy: Array
    log_product: Array
    order: Array
    number: Array
    properties: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in ("energy", "log_product", "order", "number")}
        for name, column in (columns | dict(self.properties)).items():
            if column.shape != self.energy.shape[:1]:
                raise InputError(
                    f"Expected one {name} for each of {len(self.energy)} points; came an array of shape {column.shape}. "
                    "Give columns of the same length."
                )

    @classmethod
    def of(
        cls,
        energy: Any,
        *,
        log_product: Any = None,
        order: Any = None,
        number: Any = None,
        properties: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make points from anything array-like; what is not given is not known."""
        energies = np.asarray(energy, dtype=np.float64)
        n = len(energies)
        return cls(
            energy=energies,
            log_product=np.full(n, np.nan) if log_product is None else np.asarray(log_product, dtype=np.float64),
            order=np.ones(n, dtype=np.int64) if order is None else np.asarray(order, dtype=np.int64),
            number=np.arange(n) if number is None else np.asarray(number, dtype=np.int64),
            properties={name: np.asarray(column) for name, column in (properties or {}).items()},
        )

    def __len__(self) -> int:
        return len(self.energy)

    def take(self, rows: Array) -> Self:
        """Return the points of these rows, or those that a mask is true for."""
        return replace(
            self,
            energy=self.energy[rows],
            log_product=self.log_product[rows],
            order=self.order[rows],
            number=self.number[rows],
            properties={name: column[rows] for name, column in self.properties.items()},
        )


@dataclass(frozen=True)
class LeftOut:
    """What :meth:`Network.build` did not take.

    Attributes:
        n_minima: Minima whose energy is not finite.
        n_transition_states: Transition states whose energy is not finite, or that lead to a minimum left out.
        n_below: Transition states below one of their minima, which loose convergence makes.
    """

    n_minima: int = 0
    n_transition_states: int = 0
    n_below: int = 0

    @property
    def statement(self) -> str:
        """What was left out, for a person; empty where nothing was."""
        parts = {
            "{} without an energy": count_text(self.n_minima, "minimum", "minima"),
            "{} without an energy or an end": count_text(self.n_transition_states, "transition state"),
            "{} below one of their minima": count_text(self.n_below, "transition state"),
        }
        texts = [text.format(count) for text, count in parts.items() if not count.startswith("0 ")]
        return f"left out: {', '.join(texts)}" if texts else ""


@dataclass(frozen=True)
class Network:
    """Minima and transition states.

    Attributes:
        minima: The vertices.
        transition_states: The edges; none is lower than a minimum that it leads to.
        first: Row of the minimum on one side of each transition state.
        second: Row of the minimum on the other; the same where one minimum is rearranged onto itself.
        unit: Of all energies, such as ``eV`` or ``epsilon``; empty where not known.
        left_out: What the source had beyond this.
    """

    minima: StationaryPoints
    transition_states: StationaryPoints
    first: Array
    second: Array
    unit: str = "eV"
    left_out: LeftOut = LeftOut()

    def __post_init__(self) -> None:
        if not np.isfinite(self.minima.energy).all() or not np.isfinite(self.transition_states.energy).all():
            raise InputError(
                "Expected finite energies in a network; came others. Use Network.build, which counts them."
            )
        for end in (self.first, self.second):
            if end.shape != self.transition_states.energy.shape:
                raise InputError(
                    f"Expected two ends for each of {len(self.transition_states)} transition states; came arrays of shape "
                    f"{self.first.shape} and {self.second.shape}. Give arrays of that length."
                )
            _require_rows(end, len(self.minima))
            if (self.transition_states.energy < self.minima.energy[end]).any():
                raise InputError(
                    "Expected transition states above their minima; came some below. Use Network.build, which counts them."
                )

    @classmethod
    def build(
        cls, minima: StationaryPoints, transition_states: StationaryPoints, *, first: Any, second: Any, unit: str = "eV"
    ) -> Self:
        """Make a network of what can be used, and count what cannot.

        Args:
            minima: Any; those whose energy is not finite are left out.
            transition_states: Any; those whose energy is not finite, those that lead to a minimum left out, and those below
                one of their minima are left out.
            first: Row of the minimum on one side of each transition state.
            second: Row of the minimum on the other.
            unit: Of all energies.

        Raises:
            InputError: A transition state leads to a row that is not there.
        """
        ends = np.stack([np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)])
        _require_rows(ends, len(minima))
        keep = np.isfinite(minima.energy)
        is_known = np.isfinite(transition_states.energy) & keep[ends].all(axis=0)
        is_below = is_known & (transition_states.energy < minima.energy[ends]).any(axis=0)
        row = np.cumsum(keep) - 1
        good = is_known & ~is_below
        return cls(
            minima=minima.take(keep),
            transition_states=transition_states.take(good),
            first=row[ends[0, good]],
            second=row[ends[1, good]],
            unit=unit,
            left_out=LeftOut(int((~keep).sum()), int((~is_known).sum()), int(is_below.sum())),
        )

    @classmethod
    def of(cls, store: RunStore) -> Self:
        """Read the network of a run.

        Minima have the properties ``visits``, ``quench`` (that found it first), ``chemistry``, ``radius_of_gyration``
        (angstrom, or the unit of length of the run), and both kinds of points have principal moments of inertia,
        ``inertia_1`` to ``inertia_3`` (u angstrom^2, ascending).
        """
        records = store.minima(), store.transition_states()
        return cls.from_records(*records, masses=store.molecule.masses, unit=store.energy_unit)

    @classmethod
    def from_records(
        cls, minima: StoredMinima, found: StoredTransitionStates, *, masses: Float[Tensor, "N"], unit: str
    ) -> Self:
        """Make the network of :meth:`of` from what was read already.

        Args:
            minima: All of a run.
            found: All its transition states.
            masses: Of the atoms, u.
            unit: Of all energies.
        """
        moments = principal_moments(minima.positions, masses)
        # Half the trace of the inertia tensor is the sum over atoms of mass times squared distance from the centre.
        gyration = (moments.sum(dim=1) / (2 * masses.sum())).sqrt()
        properties = {
            "visits": minima.visits.numpy(),
            "quench": minima.quench.numpy(),
            "chemistry": np.array(minima.keys, dtype=str),
            "radius_of_gyration": gyration.numpy(),
            **moment_columns(moments.numpy()),
        }
        return cls.build(
            StationaryPoints.of(minima.energy.numpy(), log_product=minima.log_product.numpy(), properties=properties),
            StationaryPoints.of(
                found.energy.numpy(),
                log_product=found.log_product.numpy(),
                properties=moment_columns(principal_moments(found.positions, masses).numpy()),
            ),
            first=found.first.numpy(),
            second=found.second.numpy(),
            unit=unit,
        )

    @property
    def lowest(self) -> int:
        """Row of the lowest minimum."""
        self.require_minima()
        return int(np.argmin(self.minima.energy))

    def require_minima(self) -> None:
        """Make sure that there is at least one minimum.

        Raises:
            InputError: There is none.
        """
        if not len(self.minima):
            raise InputError(
                "Expected at least one minimum with an energy; came none. Explore first, or look elsewhere."
            )

    def row_of(self, number: int) -> int:
        """Return the row of the minimum that is called so where it comes from.

        Raises:
            InputError: There is no such minimum.
        """
        rows = np.flatnonzero(self.minima.number == number)
        if not rows.size:
            raise InputError(f"Expected the number of one of {len(self.minima)} minima; came {number}. Choose another.")
        return int(rows[0])

    def take(self, minima: Array) -> Self:
        """Return the network of the minima that a mask is true for, with the transition states between them."""
        row = np.cumsum(minima) - 1
        keep = minima[self.first] & minima[self.second]
        kept = self.take_transition_states(keep)
        return replace(kept, minima=self.minima.take(minima), first=row[kept.first], second=row[kept.second])

    def take_transition_states(self, rows: Array) -> Self:
        """Return the network with the transition states of these rows, or those that a mask is true for, alone."""
        return replace(
            self,
            transition_states=self.transition_states.take(rows),
            first=self.first[rows],
            second=self.second[rows],
        )

    def components(self) -> Array:
        """Return which part each minimum belongs to; parts are numbered by their lowest minima, so 0 has the lowest of all."""
        n = len(self.minima)
        edges = coo_array((np.ones(len(self.first), dtype=np.int8), (self.first, self.second)), shape=(n, n))
        n_parts, part = connected_components(edges, directed=False)
        lowest = np.full(n_parts, np.inf)
        np.minimum.at(lowest, part, self.minima.energy)
        rank = np.empty(n_parts, dtype=np.int64)
        rank[np.argsort(lowest, kind="stable")] = np.arange(n_parts)
        found: Array = rank[part]
        return found

    def lowest_per_pair(self) -> Self:
        """Return the network with the lowest transition state of each pair alone, and none from a minimum onto itself."""
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        order = np.lexsort((self.transition_states.energy, high, low))
        is_first = np.ones(len(order), dtype=bool)
        is_first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
        rows = np.sort(order[is_first])
        return self.take_transition_states(rows[low[rows] != high[rows]])

    def pruned(
        self, *, lowest: int | None = None, component_of: int | None = None, max_energy: float | None = None
    ) -> tuple[Self, str]:
        """Return a smaller network, and a sentence that says what was left out; empty where nothing was.

        What is asked for is done in the order energy, part, number. Ways through minima that are left out are lost with them;
        :meth:`pesx.landscape.tree.Tree.restricted` leaves out minima and keeps what joins the others.

        Args:
            lowest: Keep so many minima, the lowest.
            component_of: Keep what is connected to the minimum of this row.
            max_energy: Keep minima and transition states up to this energy.
        """
        keep = np.ones(len(self.minima), dtype=bool)
        kept, statement = self, []
        if max_energy is not None:
            keep &= self.minima.energy <= max_energy
            is_low = self.transition_states.energy <= max_energy
            kept = self.take_transition_states(is_low)
            above = f"{count_text((~keep).sum(), 'minimum', 'minima')} and {count_text((~is_low).sum(), 'transition state')}"
            statement += [f"{above} above {max_energy:g}"] * int(not keep.all() or not is_low.all())
        if component_of is not None:
            _require_rows(np.array([component_of]), len(keep))
            part = kept.components()
            is_apart = keep & (part != part[component_of])
            statement += [f"{is_apart.sum()} not connected"] * int(is_apart.any())
            keep &= ~is_apart
        if lowest is not None and lowest < keep.sum():
            order = np.argsort(np.where(keep, self.minima.energy, np.inf), kind="stable")
            statement += [f"{keep.sum() - lowest} of higher energy"]
            keep = np.zeros_like(keep)
            keep[order[:lowest]] = True
        text = f"{keep.sum()} of {len(keep)} minima; left out: {', '.join(statement)}" if statement else ""
        return kept.take(keep), text


def to_networkx(network: Network) -> "nx.MultiGraph[int]":
    """Return the network as a graph of networkx.

    Nodes are rows and have ``energy``, ``number``, ``order``, their properties, and ``log_product`` where it is known; so have
    edges, whose keys are the rows of the transition states.
    """
    graph: nx.MultiGraph[int] = nx.MultiGraph(unit=network.unit)
    for row in range(len(network.minima)):
        graph.add_node(row, **_attributes(network.minima, row))
    for row, (i, j) in enumerate(zip(network.first.tolist(), network.second.tolist(), strict=True)):
        graph.add_edge(i, j, key=row, **_attributes(network.transition_states, row))
    return graph


def _attributes(points: StationaryPoints, row: int) -> dict[str, Any]:
    columns = {"energy": points.energy, "log_product": points.log_product, "order": points.order}
    columns |= {"number": points.number, **points.properties}
    values = {name: column[row].item() for name, column in columns.items()}
    return {name: value for name, value in values.items() if value == value}


def principal_moments(positions: Float[Tensor, "M N 3"], masses: Float[Tensor, "N"]) -> Float[Tensor, "M 3"]:
    """Return the principal moments of inertia of each structure, u angstrom^2, ascending."""
    centre = (masses[:, None] * positions).sum(dim=1, keepdim=True) / masses.sum()
    arms = positions - centre
    second = torch.einsum("n,mni,mnj->mij", masses, arms, arms)
    trace = second.diagonal(dim1=1, dim2=2).sum(dim=1)
    inertia = trace[:, None, None] * torch.eye(3, dtype=positions.dtype) - second
    moments: Tensor = torch.linalg.eigvalsh(inertia)
    return moments


def moment_columns(moments: Array) -> dict[str, Array]:
    """Return principal moments of inertia as properties of stationary points."""
    return {f"inertia_{axis + 1}": moments[:, axis] for axis in range(3)}


def count_text(n: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def _require_rows(rows: Array, n: int) -> None:
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        raise InputError(
            f"Expected rows of {n} minima, 0 to {n - 1}; came {rows.min()} to {rows.max()}. Correct the ends of the "
            "transition states."
        )
