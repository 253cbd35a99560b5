"""The distinct minima found so far, each stored once.

A candidate is compared in stages, each a cheap filter for the next: its chemistry key, its energy, a digest of its
fingerprint, the fingerprint, and only then the exact distance.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from pesx.errors import InputError
from pesx.outcome import Outcome
from pesx.protocols import Identity
from pesx.state import Found, Minima
from pesx.typing import Energies, Float, Index, Int, Positions, Tensor

Array = np.ndarray[Any, np.dtype[Any]]

_FIRST_CAPACITY = 64
_DIGEST = 16
"""Numbers in the digest of a fingerprint."""

_PAIRS_PER_FILTER = 65_536  # bounds the memory of the fingerprint filter when an energy window is wide
_ROUNDING = 1 + 1e-9
_PAIRS_PER_CALL = 16_384  # bounds the memory of one call of the exact distance


class MinimaArchive:
    """Distinct minima of one molecule, numbered in the order they were found.

    Lives on the CPU in float64, whatever device the candidates come from.

    Args:
        identity: Says when two structures are the same. Like lists of all interatomic distances, two fingerprints must
            not differ by more than sqrt(2 N / (N - 1)) RMSD in root mean square.
        energy_tolerance: Two minima farther apart in energy than this are different, eV.
        distance_tolerance: Two minima farther apart than this RMSD are different, angstrom.
        conclusive_gap: Of equal key and energy, structures whose fingerprints differ by less than this root mean square
            (angstrom) are the same without asking for the exact distance. Saves nearly all the time for clusters. Only
            for identities that merge mirror images, which have equal fingerprints. 0: always ask.
    """

    def __init__(
        self, identity: Identity, *, energy_tolerance: float, distance_tolerance: float, conclusive_gap: float = 0.0
    ) -> None:
        for name, value in (("energy_tolerance", energy_tolerance), ("distance_tolerance", distance_tolerance)):
            if not 0 < value < float("inf"):
                raise InputError(f"{name}: expected a number above 0, came {value}.")
        if not 0 <= conclusive_gap <= distance_tolerance:
            raise InputError(f"conclusive_gap: expected a number from 0 to distance_tolerance, came {conclusive_gap}.")
        self.identity = identity
        self.energy_tolerance = energy_tolerance
        self.distance_tolerance = distance_tolerance
        self.conclusive_gap = conclusive_gap
        self._n = 0
        self._columns: dict[str, Array] = {}
        self._sorted_energy = np.empty(0)
        self._sorted_number = np.empty(0, dtype=np.int64)
        self._code_of_key: dict[str, int] = {}

    def __len__(self) -> int:
        return self._n

    @property
    def energies(self) -> Float[Tensor, "M"]:
        """Energies in the order of finding, eV. A view: do not write to it."""
        return self._tensor("energy", (0,))

    @property
    def positions(self) -> Float[Tensor, "M N 3"]:
        """Structures in the order of finding, angstrom. A view: do not write to it."""
        return self._tensor("positions", (0, 0, 3))

    @property
    def visits(self) -> Int[Tensor, "M"]:
        """How many quenches ended in each minimum. A view: do not write to it."""
        return self._tensor("visits", (0,), dtype=torch.int64)

    @property
    def keys(self) -> list[str]:
        """Chemistry of each minimum, in the order of finding."""
        names = list(self._code_of_key)
        return [names[code] for code in self._column("code")] if self._n else []

    @property
    def lowest(self) -> float:
        """Lowest energy, eV; infinite while the archive is empty."""
        return float(self._sorted_energy[0]) if self._n else float("inf")

    def n_within(self, window: float) -> int:
        """Count the minima at most this far above the lowest, eV."""
        return int(np.searchsorted(self._sorted_energy, self.lowest + window, side="right"))

    def visits_within(self, window: float) -> Int[Tensor, "K"]:
        """Return the visit counts of the minima at most this far above the lowest (eV), in order of energy."""
        return self.visits[torch.from_numpy(self._sorted_number[: self.n_within(window)])]

    def match(
        self,
        positions: Positions,
        energy: Energies,
        keys: Sequence[str],
        *,
        energy_tolerance: float | None = None,
        distance_tolerance: float | None = None,
    ) -> Index:
        """Return which stored minimum each structure is, -1 where it is none of them.

        Where several qualify, the nearest wins. Changes nothing; see :meth:`visit`.

        Args:
            positions: Structures, angstrom.
            energy: Their energies, eV.
            keys: Their chemistry.
            energy_tolerance: Instead of the archive's own, eV; wider for structures that are not fully relaxed.
            distance_tolerance: Instead of the archive's own, angstrom.
        """
        energy_tolerance = self.energy_tolerance if energy_tolerance is None else energy_tolerance
        distance_tolerance = self.distance_tolerance if distance_tolerance is None else distance_tolerance
        batch = _Batch(self.identity, positions, energy, [self._code_of_key.get(key, -1) for key in keys])
        index = np.full(len(energy), -1, dtype=np.int64)
        index[batch.rows], _ = self._nearest(batch, energy_tolerance, distance_tolerance)
        return torch.from_numpy(index).to(energy.device)

    def add(self, minima: Minima, keys: Sequence[str]) -> Found:
        """Admit converged minima in order and count a visit for each; also finds repeats within the batch.

        The result is the same as adding the rows one by one. Rows that did not converge get index -1.

        Args:
            minima: Candidates.
            keys: The chemistry of each.
        """
        is_converged = (minima.outcome == Outcome.CONVERGED).cpu().numpy()
        codes = [
            self._code_of_key.setdefault(key, len(self._code_of_key)) if converged else -1
            for key, converged in zip(keys, is_converged, strict=True)
        ]
        batch = _Batch(self.identity, minima.positions, minima.energy, codes)
        known, distance = self._nearest(batch, self.energy_tolerance, self.distance_tolerance)
        number, new = self._number(batch, known, distance)
        if new.size:
            self._append(batch, new)
        np.add.at(self._column("visits"), number, 1)

        index = np.full(len(is_converged), -1, dtype=np.int64)
        is_new = np.zeros(len(is_converged), dtype=bool)
        index[batch.rows] = number
        is_new[batch.rows[new]] = True
        device = minima.energy.device
        return Found(index=torch.from_numpy(index).to(device), is_new=torch.from_numpy(is_new).to(device))

    def visit(self, index: Index) -> None:
        """Count one more quench that ended in each of these minima; -1 is passed over."""
        numbers = index.cpu().numpy()
        np.add.at(self._column("visits"), numbers[numbers >= 0], 1)

    def restore(self, positions: Positions, energy: Energies, keys: Sequence[str], visits: Index) -> None:
        """Fill an empty archive with the minima of a run to be resumed, unquestioned and in the order of their numbers.

        Args:
            positions: Angstrom.
            energy: eV.
            keys: Chemistry of each.
            visits: How many quenches ended in each.
        """
        if self._n:
            raise InputError(f"Only an empty archive can be restored; this one already holds {self._n} minima.")
        codes = [self._code_of_key.setdefault(key, len(self._code_of_key)) for key in keys]
        batch = _Batch(self.identity, positions, energy, codes)
        if len(batch.rows) != len(energy):
            raise InputError(f"{len(energy) - len(batch.rows)} of the {len(energy)} stored minima are not finite.")
        if len(batch.rows):
            self._append(batch, np.arange(len(batch.rows)))
            self._column("visits")[:] = visits.cpu().numpy()

    def _nearest(self, batch: "_Batch", energy_tolerance: float, distance_tolerance: float) -> tuple[Array, Array]:
        """Return number and distance of the nearest stored minimum of each row; -1 and infinity where there is none."""
        number = np.full(len(batch.rows), -1, dtype=np.int64)
        distance = np.full(len(batch.rows), np.inf)
        rows, stored, gap = self._survivors(batch, energy_tolerance, _fingerprint_bound(batch, distance_tolerance))
        if not rows.size:
            return number, distance
        exact = self._distances(batch.positions, rows, self.positions, stored, gap=gap)
        close = exact <= distance_tolerance
        rows, stored, exact = rows[close], stored[close], exact[close]
        order = np.lexsort((stored, exact, rows))
        first = order[np.unique(rows[order], return_index=True)[1]]
        number[rows[first]] = stored[first]
        distance[rows[first]] = exact[first]
        return number, distance

    def _survivors(self, batch: "_Batch", energy_tolerance: float, bound: float) -> tuple[Array, Array, Array]:
        """Return what key, energy and fingerprint leave undecided: row of the batch, stored minimum, gap."""
        start = np.searchsorted(self._sorted_energy, batch.energy - energy_tolerance, side="left")
        stop = np.searchsorted(self._sorted_energy, batch.energy + energy_tolerance, side="right")
        pieces = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))]
        for low, high in _pieces(np.cumsum(stop - start), _PAIRS_PER_FILTER):
            rows, places = _unroll(low, start[low:high], stop[low:high])
            stored = self._sorted_number[places]
            same = self._column("code")[stored] == batch.code[rows]
            rows, stored = rows[same], stored[same]
            if rows.size:
                n_entries = batch.fingerprint.shape[1]
                least = _gap(self._column("digest")[stored], batch.digest[rows], n_entries)
                rows, stored = rows[least <= bound], stored[least <= bound]
                gap = _gap(self._column("fingerprint")[stored], batch.fingerprint[rows], n_entries)
                near = gap <= bound
                pieces.append((rows[near], stored[near], gap[near]))
        rows, stored, gap = (np.concatenate(column) for column in zip(*pieces, strict=True))
        return rows, stored, gap

    def _distances(self, a: Positions, rows_a: Array, b: Float[Tensor, "M N 3"], rows_b: Array, *, gap: Array) -> Array:
        """Return the distances of pairs of rows, angstrom; where the fingerprints are conclusive, their gap instead."""
        distance = gap.copy()
        asked = np.flatnonzero(gap >= self.conclusive_gap)
        for low in range(0, len(asked), _PAIRS_PER_CALL):
            pairs = asked[low : low + _PAIRS_PER_CALL]
            structures = a[torch.from_numpy(rows_a[pairs])], b[torch.from_numpy(rows_b[pairs])]
            distance[pairs] = self.identity.distance(*structures).to(torch.float64).numpy()
        return distance

    def _number(self, batch: "_Batch", known: Array, distance: Array) -> tuple[Array, Array]:
        """Return the archive number of each row, and which rows are the first of their kind.

        Only rows that start a new minimum are compared with the rows after them, so the loop runs over new minima.
        """
        number, best = known.copy(), distance.copy()
        new: list[int] = []
        bound = _fingerprint_bound(batch, self.distance_tolerance)
        for row in np.flatnonzero(known < 0):
            if number[row] >= 0:
                continue
            number[row] = self._n + len(new)
            new.append(int(row))
            later = (
                row
                + 1
                + np.flatnonzero(
                    (np.abs(batch.energy[row + 1 :] - batch.energy[row]) <= self.energy_tolerance)
                    & (batch.code[row + 1 :] == batch.code[row])
                )
            )
            gap = _gap(batch.fingerprint[later], batch.fingerprint[row], batch.fingerprint.shape[1])
            later, gap = later[gap <= bound], gap[gap <= bound]
            if later.size:
                leader = np.full(later.shape, row)
                exact = self._distances(batch.positions, later, batch.positions, leader, gap=gap)
                closer = (exact <= self.distance_tolerance) & (exact < best[later])
                number[later[closer]] = number[row]
                best[later[closer]] = exact[closer]
        return number, np.array(new, dtype=np.int64)

    def _append(self, batch: "_Batch", rows: Array) -> None:
        values = {
            "energy": batch.energy[rows],
            "positions": batch.positions.numpy()[rows],
            "fingerprint": batch.fingerprint[rows],
            "digest": batch.digest[rows],
            "code": batch.code[rows],
            "visits": np.zeros(len(rows), dtype=np.int64),
        }
        n = self._n + len(rows)
        for name, value in values.items():
            old = self._columns.get(name, value[:0])
            if len(old) < n:
                grown = np.zeros((max(_FIRST_CAPACITY, n, 2 * len(old)), *value.shape[1:]), dtype=value.dtype)
                grown[: self._n] = old[: self._n]
                self._columns[name] = grown
            self._columns[name][self._n : n] = value
        # Stable sort and insertion to the right keep equal energies in order of number: a restored archive is the same.
        order = np.argsort(values["energy"], kind="stable")
        energy = values["energy"][order]
        places = np.searchsorted(self._sorted_energy, energy, side="right")
        self._sorted_energy = np.insert(self._sorted_energy, places, energy)
        self._sorted_number = np.insert(self._sorted_number, places, self._n + order)
        self._n = n

    def _column(self, name: str) -> Array:
        column = self._columns.get(name)
        return np.empty(0, dtype=np.int64) if column is None else column[: self._n]

    def _tensor(self, name: str, empty: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.from_numpy(self._column(name)) if self._n else torch.empty(empty, dtype=dtype)


class _Batch:
    """The finite rows of a batch that have a chemistry code, ready to be compared."""

    def __init__(self, identity: Identity, positions: Positions, energy: Energies, codes: list[int]) -> None:
        positions = positions.detach().to("cpu", torch.float64)
        energies = energy.detach().to("cpu", torch.float64).numpy()
        code = np.array(codes, dtype=np.int64)
        if not len(positions) == len(energies) == len(code):
            raise InputError(
                f"Expected as many energies and keys as structures; came {len(positions)} structures, "
                f"{len(energies)} energies and {len(code)} keys."
            )
        is_finite = np.isfinite(energies) & np.isfinite(positions.numpy()).all(axis=(1, 2))
        self.rows: Array = np.flatnonzero(is_finite & (code >= 0))
        self.positions = positions[torch.from_numpy(self.rows)]
        self.energy: Array = energies[self.rows]
        self.code: Array = code[self.rows]
        self.fingerprint: Array = (
            identity.fingerprint(self.positions).to(torch.float64).numpy() if self.rows.size else np.empty((0, 0))
        )
        self.digest: Array = _digest(self.fingerprint)


def _fingerprint_bound(batch: _Batch, distance_tolerance: float) -> float:
    """Return how far fingerprints can differ, in root mean square, between structures this RMSD apart, angstrom.

    Displacements u change a distance by at most |u_i - u_j|, and the sum of |u_i - u_j|^2 over all pairs is at most
    N times that of |u_i|^2. Sorting does not add to the sum. A single atom is given the bound of two.
    """
    n_atoms = max(batch.positions.shape[1], 2)
    return float(np.sqrt(2 * n_atoms / (n_atoms - 1))) * distance_tolerance * _ROUNDING


def _digest(fingerprint: Array) -> Array:
    """Return sums over stretches of a fingerprint, over the root of their lengths.

    That is a projection onto orthonormal directions: digests never differ by more than the fingerprints.
    """
    n_entries = fingerprint.shape[1]
    if n_entries <= _DIGEST:
        return fingerprint
    starts = np.linspace(0, n_entries, _DIGEST, endpoint=False, dtype=np.int64)
    lengths = np.diff(np.append(starts, n_entries))
    out: Array = np.add.reduceat(fingerprint, starts, axis=1) / np.sqrt(lengths)
    return out


def _gap(a: Array, b: Array, n_entries: int) -> Array:
    """Return the root mean square difference over the entries of fingerprints, angstrom; for digests, a lower bound of it."""
    difference = a - b
    out: Array = np.sqrt(np.einsum("pf,pf->p", difference, difference) / max(n_entries, 1))
    return out


def _pieces(ends: Array, limit: int) -> list[tuple[int, int]]:
    """Split rows, given the running count of their pairs, into stretches of about ``limit`` pairs."""
    cuts = [0]
    while cuts[-1] < len(ends):
        before = ends[cuts[-1] - 1] if cuts[-1] else 0
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(ends, before + limit, side="right"))))
    return list(pairwise(cuts))


def _unroll(first_row: int, start: Array, stop: Array) -> tuple[Array, Array]:
    """Return (row, place) for every place in start..stop of every row."""
    count = stop - start
    rows = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    places = np.arange(len(rows)) - before[rows] + start[rows]
    return rows + first_row, places
