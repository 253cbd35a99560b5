"""The record of what was joined: buffers it, and writes it to the run."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import Connections, Quenches, Searches, StoredMinima, StoredTransitionStates
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome

DESCENT = "descent"
"""Stands for the move in the record of a minimum that was found on the way down from a transition state."""

NO_WALKER = -1


@dataclass(frozen=True)
class FoundMinimum:
    """A minimum that nobody knew, from the way down from a transition state.

    Attributes:
        positions: Angstrom, (N, 3).
        energy: eV.
        fmax: Largest force, eV/angstrom.
        lowest_curvature: eV/angstrom^2.
        log_product: See :class:`~pesx.state.Modes`.
        n_evaluations: Of the way down.
        key: Its chemistry.
    """

    positions: torch.Tensor
    energy: float
    fmax: float
    lowest_curvature: float
    log_product: float
    n_evaluations: int
    key: str


@dataclass(frozen=True)
class FoundTransitionState:
    """A transition state that nobody knew.

    Attributes:
        positions: Angstrom, (N, 3).
        energy: eV.
        fmax: Largest force, eV/angstrom.
        curvature: Its negative curvature, eV/angstrom^2.
        log_product: See :class:`~pesx.state.Modes`.
        first: Number of the minimum on one side.
        second: Number of that on the other.
        key: Its chemistry.
    """

    positions: torch.Tensor
    energy: float
    fmax: float
    curvature: float
    log_product: float
    first: int
    second: int
    key: str


@dataclass
class _Buffer:
    minima: list[FoundMinimum] = field(default_factory=list)
    connections: list[tuple[Any, ...]] = field(default_factory=list)
    searches: list[tuple[Any, ...]] = field(default_factory=list)
    transition_states: list[tuple[FoundTransitionState, int]] = field(default_factory=list)


class Ledger:
    """Writes what was joined to its run folder.

    Args:
        store: The database of the run, opened for writing.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._buffer = _Buffer()
        self._n_connections, self._n_searches = store.n_connections, store.n_searches
        self._n_transition_states = store.n_transition_states

    @property
    def n_connections(self) -> int:
        """How many connections were noted; also the number of the next."""
        return self._n_connections

    def restore(self, minima: MinimaArchive, transition_states: MinimaArchive) -> None:
        """Fill empty archives with what the run holds."""
        stored, found = self._store.minima(), self._store.transition_states()
        minima.restore(stored.positions, stored.energy, stored.keys, stored.visits)
        visits = torch.zeros(len(found), dtype=torch.long)
        transition_states.restore(found.positions, found.energy, found.keys, visits)

    def tried(self) -> set[tuple[int, int]]:
        """Return the pairs that were tried to the end."""
        connections, searches = self._store.connections(), self._store.searches()
        n_done = np.bincount(searches.connection, minlength=len(connections))
        is_done = n_done >= connections.n_maxima
        ends = zip(connections.first[is_done].tolist(), connections.second[is_done].tolist(), strict=True)
        return {(min(pair), max(pair)) for pair in ends}

    def n_searched(self) -> Counter[int]:
        """Return how many searches that started around each minimum have ended."""
        connections, searches = self._store.connections(), self._store.searches()
        n_done = np.bincount(searches.connection, minlength=len(connections))
        is_around = connections.first == connections.second
        found: Counter[int] = Counter()
        for minimum, n in zip(connections.first[is_around].tolist(), n_done[is_around].tolist(), strict=True):
            found[minimum] += n
        return found

    def joined(self) -> set[tuple[int, int]]:
        """Return the pairs of different minima with a transition state between them."""
        found = self._store.transition_states()
        ends = zip(found.first.tolist(), found.second.tolist(), strict=True)
        return {(min(pair), max(pair)) for pair in ends if pair[0] != pair[1]}

    def add_connection(
        self, pair: tuple[int, int], reason: str, *, outcome: Outcome, n_maxima: int, n_evaluations: int
    ) -> int:
        """Note a path, and return its number."""
        self._buffer.connections.append((*pair, reason, int(outcome), n_maxima, n_evaluations))
        self._n_connections += 1
        return self._n_connections - 1

    def add_minimum(self, found: FoundMinimum) -> None:
        """Note a new minimum, whose number is the next."""
        self._buffer.minima.append(found)

    def add_search(
        self,
        connection: int,
        *,
        outcome: Outcome,
        energy: float,
        n_evaluations: int,
        known: int = -1,
        new: FoundTransitionState | None = None,
    ) -> None:
        """Note the end of a search.

        Args:
            connection: Its number.
            outcome: How it ended.
            energy: Where, eV.
            n_evaluations: What it cost, ways down included.
            known: Number of the transition state, if that was known.
            new: The transition state, if it was not.
        """
        if new is not None:
            known = self._n_transition_states
            self._n_transition_states += 1
            self._buffer.transition_states.append((new, self._n_searches))
        self._buffer.searches.append((connection, int(outcome), energy, n_evaluations, known))
        self._n_searches += 1

    def commit(self) -> None:
        """Write everything noted, all or nothing."""
        buffer = self._buffer
        with self._store.transaction():
            if buffer.minima:
                self._write_minima(buffer.minima)
            if buffer.connections:
                self._store.add_connections(Connections(*_columns(buffer.connections)))
            if buffer.searches:
                self._store.add_searches(Searches(*_columns(buffer.searches)))
            if buffer.transition_states:
                self._store.add_transition_states(_stored(buffer.transition_states))
        self._buffer = _Buffer()

    def _write_minima(self, found: list[FoundMinimum]) -> None:
        """Write minima, and for each the quench that found it, which is no walker's."""
        n = len(found)
        first_minimum, first_quench = self._store.n_minima, self._store.n_quenches
        self._store.add_minima(
            StoredMinima(
                positions=torch.stack([one.positions for one in found]),
                energy=_tensor([one.energy for one in found]),
                fmax=_tensor([one.fmax for one in found]),
                lowest_curvature=_tensor([one.lowest_curvature for one in found]),
                log_product=_tensor([one.log_product for one in found]),
                quench=first_quench + torch.arange(n),
                visits=torch.zeros(n, dtype=torch.long),
                keys=[one.key for one in found],
            )
        )
        nobody = np.full(n, NO_WALKER)
        self._store.add_quenches(
            Quenches(
                walker=nobody,
                hop=np.zeros(n, dtype=np.int64),
                move=np.array([DESCENT] * n),
                outcome=np.full(n, int(Outcome.CONVERGED)),
                energy=np.array([one.energy for one in found]),
                n_evaluations=np.array([one.n_evaluations for one in found]),
                minimum=first_minimum + np.arange(n),
                started_from=nobody,
                is_accepted=np.zeros(n, dtype=bool),
            )
        )


def _stored(found: list[tuple[FoundTransitionState, int]]) -> StoredTransitionStates:
    points = [one for one, _ in found]
    return StoredTransitionStates(
        positions=torch.stack([one.positions for one in points]),
        energy=_tensor([one.energy for one in points]),
        fmax=_tensor([one.fmax for one in points]),
        curvature=_tensor([one.curvature for one in points]),
        log_product=_tensor([one.log_product for one in points]),
        first=torch.tensor([one.first for one in points]),
        second=torch.tensor([one.second for one in points]),
        search=torch.tensor([search for _, search in found]),
        keys=[one.key for one in points],
    )


def _columns(rows: list[tuple[Any, ...]]) -> list[np.ndarray[Any, Any]]:
    return [np.array(column) for column in zip(*rows, strict=True)]


def _tensor(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


__all__ = ["FoundMinimum", "FoundTransitionState", "Ledger"]
