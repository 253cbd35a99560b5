"""What a run has found, table by table.

Numbers count from zero without gaps. All structures are float64, little-endian.
"""

from collections.abc import Sequence

import numpy as np
import torch

from pesx.errors import InputError
from pesx.landscape.database import Database
from pesx.landscape.records import (
    Array,
    Connections,
    Quenches,
    Searches,
    StoredMinima,
    StoredTransitionStates,
    Verifications,
    Violations,
)
from pesx.landscape.rows import columns, from_blobs, none_if_negative, to_blobs
from pesx.typing import Tensor

__all__ = ["Quenches", "RunStore", "StoredMinima", "Violations"]

_KINDS = {"minima": "minimum", "transition_states": "transition state"}
"""Tables of stationary points, by what a row is."""


class RunStore(Database):
    """The database of a run folder; made by :meth:`create`, :meth:`resume` or :meth:`read`, and closed after use."""

    def add_minima(self, minima: StoredMinima) -> None:
        """Store new minima under the next numbers."""
        self._require_atoms(minima.positions)
        self._append(
            "minima",
            minima.energy,
            minima.fmax,
            minima.lowest_curvature,
            minima.log_product,
            minima.keys,
            to_blobs(minima.positions),
            minima.quench,
        )
        self._name("quench", minima.quench)

    def add_quenches(self, quenches: Quenches) -> int:
        """Store quenches under the next numbers, and return the first of these."""
        self._name("minimum", quenches.minimum)
        self._name("minimum", quenches.started_from)
        return self._append(
            "quenches",
            quenches.walker,
            quenches.hop,
            quenches.move,
            quenches.outcome,
            quenches.energy,
            quenches.n_evaluations,
            none_if_negative(quenches.minimum),
            none_if_negative(quenches.started_from),
            quenches.is_accepted,
        )

    def add_violations(self, violations: Violations) -> None:
        """Store structures outside the chemistry of the molecule."""
        numbers = violations.quench.tolist(), violations.outcome.tolist(), violations.energy.tolist()
        self._insert("violations", zip(*numbers, to_blobs(violations.positions), strict=True), 4)
        self._name("quench", violations.quench)

    def add_connections(self, tried: Connections) -> int:
        """Store pairs that were tried under the next numbers, and return the first of these."""
        self._name("minimum", tried.first)
        self._name("minimum", tried.second)
        return self._append(
            "connections", tried.first, tried.second, tried.reason, tried.outcome, tried.n_maxima, tried.n_evaluations
        )

    def add_searches(self, searches: Searches) -> int:
        """Store searches under the next numbers, and return the first of these."""
        self._name("connection", searches.connection)
        self._name("transition state", searches.transition_state)
        found = none_if_negative(searches.transition_state)
        return self._append(
            "searches", searches.connection, searches.outcome, searches.energy, searches.n_evaluations, found
        )

    def add_transition_states(self, found: StoredTransitionStates) -> None:
        """Store new transition states under the next numbers."""
        self._require_atoms(found.positions)
        for what, column in (("minimum", found.first), ("minimum", found.second), ("search", found.search)):
            self._name(what, column)
        self._append(
            "transition_states",
            found.energy,
            found.fmax,
            found.curvature,
            found.log_product,
            found.keys,
            to_blobs(found.positions),
            found.first,
            found.second,
            found.search,
        )

    def add_verifications(self, verified: Verifications) -> None:
        """Store what became of minima at a level of theory, instead of what is there for the same minimum and level."""
        self._require_atoms(verified.positions)
        self._name("minimum", verified.minimum)
        values = (
            verified.minimum,
            verified.level,
            verified.outcome,
            verified.unrelaxed_energy,
            verified.energy,
            verified.rmsd,
            verified.heavy_rmsd,
            verified.n_evaluations,
        )
        rows = zip(*(column.tolist() for column in values), to_blobs(verified.positions), strict=True)
        self._insert("verifications", rows, len(values) + 1, verb="REPLACE")

    def add_vibrations(self, kind: str, number: Array, eigenvalues: Sequence[Array]) -> None:
        """Store the vibrations of stationary points instead of what is there, and the product of each beside its energy.

        Args:
            kind: ``minima`` or ``transition_states``.
            number: Of each point.
            eigenvalues: Positive eigenvalues of the mass-weighted Hessian of each.
        """
        _require_kind(kind)
        self._name(_KINDS[kind], number)
        numbers = np.asarray(number).tolist()
        rows = [(kind, row, np.asarray(some, "<f8").tobytes()) for row, some in zip(numbers, eigenvalues, strict=True)]
        self._insert("vibrations", rows, 3, verb="REPLACE")
        products = [(float(np.log(some).sum()), row) for row, some in zip(numbers, eigenvalues, strict=True)]
        self._change(f"UPDATE {kind} SET log_product = ? WHERE id = ?", products)

    @property
    def energy_unit(self) -> str:
        """Unit of all energies: ``eV``, or ``epsilon`` in reduced units."""
        return self.meta.get("energy_unit", "eV")

    @property
    def n_minima(self) -> int:
        """Number of distinct minima."""
        return self._count("minima")

    @property
    def n_quenches(self) -> int:
        """Number of quenches of any outcome; the number that the next one will get."""
        return self._count("quenches")

    @property
    def n_connections(self) -> int:
        """Number of pairs tried."""
        return self._count("connections")

    @property
    def n_searches(self) -> int:
        """Number of searches for a transition state, of any outcome."""
        return self._count("searches")

    @property
    def n_transition_states(self) -> int:
        """Number of distinct transition states."""
        return self._count("transition_states")

    def minima(self) -> StoredMinima:
        """Return all distinct minima, their visits counted from the quenches."""
        rows = self._rows(
            "SELECT energy, fmax, lowest_curvature, log_product, quench, chemistry, positions FROM minima ORDER BY id"
        )
        numbers = columns(rows, "dddddOO")
        visits = torch.zeros(len(rows), dtype=torch.int64)
        counts = self._rows(
            "SELECT minimum, COUNT(*) FROM quenches WHERE minimum IS NOT NULL AND walker >= 0 GROUP BY minimum"
        )
        if counts:
            index, count = torch.tensor(counts).T
            visits[index] = count
        return StoredMinima(
            positions=from_blobs(numbers[6], self.molecule.n_atoms),
            energy=torch.from_numpy(numbers[0]),
            fmax=torch.from_numpy(numbers[1]),
            lowest_curvature=torch.from_numpy(numbers[2]),
            log_product=torch.from_numpy(numbers[3]),
            quench=torch.from_numpy(numbers[4].astype(np.int64)),
            visits=visits,
            keys=numbers[5].tolist(),
        )

    def quenches(self) -> Quenches:
        """Return all quenches."""
        rows = self._rows(
            "SELECT walker, hop, move, outcome, energy, n_evaluations, COALESCE(minimum, -1), "
            "COALESCE(started_from, -1), is_accepted FROM quenches ORDER BY id"
        )
        return Quenches(*columns(rows, "qqOqdqqq?"))

    def violations(self) -> Violations:
        """Return the structures outside the chemistry of the molecule."""
        rows = self._rows("SELECT quench, outcome, energy, positions FROM violations ORDER BY quench")
        numbers = columns(rows, "qqdO")
        return Violations(
            quench=torch.from_numpy(numbers[0]),
            outcome=torch.from_numpy(numbers[1]),
            energy=torch.from_numpy(numbers[2]),
            positions=from_blobs(numbers[3], self.molecule.n_atoms),
        )

    def connections(self) -> Connections:
        """Return all pairs that were tried."""
        rows = self._rows("SELECT first, second, reason, outcome, n_maxima, n_evaluations FROM connections ORDER BY id")
        return Connections(*columns(rows, "qqOqqq"))

    def searches(self) -> Searches:
        """Return all searches for transition states."""
        rows = self._rows(
            "SELECT connection, outcome, energy, n_evaluations, COALESCE(transition_state, -1) FROM searches ORDER BY id"
        )
        return Searches(*columns(rows, "qqdqq"))

    def transition_states(self) -> StoredTransitionStates:
        """Return all distinct transition states."""
        rows = self._rows(
            "SELECT energy, fmax, curvature, log_product, first, second, search, chemistry, positions "
            "FROM transition_states ORDER BY id"
        )
        *numbers, keys, blobs = columns(rows, "ddddqqqOO")
        energy, fmax, curvature, log_product, first, second, search = map(torch.from_numpy, numbers)
        return StoredTransitionStates(
            positions=from_blobs(blobs, self.molecule.n_atoms),
            energy=energy,
            fmax=fmax,
            curvature=curvature,
            log_product=log_product,
            first=first,
            second=second,
            search=search,
            keys=keys.tolist(),
        )

    def verifications(self) -> Verifications:
        """Return what became of minima at other levels of theory."""
        rows = self._rows(
            "SELECT minimum, level, outcome, unrelaxed_energy, energy, rmsd, heavy_rmsd, n_evaluations, positions "
            "FROM verifications ORDER BY minimum, level"
        )
        minimum, level, outcome, unrelaxed, energy, rmsd, heavy_rmsd, n_evaluations, blobs = columns(rows, "qOqddddqO")
        return Verifications(
            minimum=minimum,
            level=level,
            outcome=outcome,
            unrelaxed_energy=unrelaxed,
            energy=energy,
            rmsd=rmsd,
            heavy_rmsd=heavy_rmsd,
            n_evaluations=n_evaluations,
            positions=from_blobs(blobs, self.molecule.n_atoms),
        )

    def vibrations(self, kind: str) -> dict[int, Array]:
        """Return the positive eigenvalues of the mass-weighted Hessian of those points whose vibrations are stored.

        Args:
            kind: ``minima`` or ``transition_states``.

        Returns:
            By number, ascending; eV/(angstrom^2 u), or in reduced units with masses of 1.
        """
        _require_kind(kind)
        if not self._has_table("vibrations"):
            return {}
        rows = self._rows(f"SELECT number, eigenvalues FROM vibrations WHERE kind = '{kind}' ORDER BY number")
        return {number: np.frombuffer(blob, "<f8") for number, blob in rows}

    def _require_atoms(self, positions: Tensor) -> None:
        if len(positions) and tuple(positions.shape[1:]) != (self.molecule.n_atoms, 3):
            raise InputError(f"Expected {self.molecule.n_atoms} atoms; came positions {tuple(positions.shape)}.")


def _require_kind(kind: str) -> None:
    if kind not in _KINDS:
        raise InputError(f"Expected {' or '.join(_KINDS)}; came {kind!r}. Name one of these.")
