"""The record of a search: buffers what happened, and writes it together with the state it led to."""

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import load, save

from pesx.explore.walkers import Walkers
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import Quenches, StoredMinima, Violations
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.state import Found, Minima
from pesx.typing import Index, Mask, PerReplica, Tensor

_ENGINE = "engine"

_WRITING = 0.05
"""Share of the time that may go into writing."""

_LONGEST = 30.0
"""Longest pause that a slow write asks for, seconds: a disk may stall once."""


@dataclass
class _Buffer:
    quenches: list[tuple[object, ...]] = field(default_factory=list)
    minima: list[tuple[object, ...]] = field(default_factory=list)
    violations: list[tuple[object, ...]] = field(default_factory=list)


class Ledger:
    """Writes a search to its run folder.

    Args:
        store: The database of the run, opened for writing.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._buffer = _Buffer()
        self.n_quenches = 0
        self.n_since_new = 0
        self._ended, self._took = time.monotonic(), 0.0
        self.outcomes: Counter[int] = Counter()

    def restore(self, archive: MinimaArchive) -> dict[str, Tensor]:
        """Fill an empty archive from the store; return the state of the engine, empty for a new run."""
        blob = self._store.state().get(_ENGINE)
        if blob is None:
            return {}
        minima, quenches = self._store.minima(), self._store.quenches()
        archive.restore(minima.positions, minima.energy, minima.keys, minima.visits)
        self.n_quenches = len(quenches)
        self.outcomes.update(quenches.outcome.tolist())
        self.n_since_new = self.n_quenches - 1 - int(minima.quench.max()) if len(minima) else self.n_quenches
        tensors: dict[str, Tensor] = load(blob)
        return tensors

    def record(
        self,
        *,
        walkers: Index,
        before: Walkers,
        moves: list[str],
        minima: Minima,
        found: Found,
        accepted: Mask,
        keys: list[str],
        lowest: PerReplica,
        log_product: PerReplica,
    ) -> None:
        """Note the ends of hops.

        Args:
            walkers: Who hopped.
            before: The walkers as they were while hopping.
            moves: Names of the moves.
            minima: Where the hops ended.
            found: What the archive said.
            accepted: Whether the walker went there.
            keys: Chemistry of each end.
            lowest: Lowest eigenvalue of the Hessian where it was computed, eV/angstrom^2.
            log_product: See :class:`~pesx.state.Modes`.
        """
        rows = zip(
            walkers.tolist(),
            (before.n_hops - 1).tolist(),
            moves,
            minima.outcome.tolist(),
            minima.energy.tolist(),
            minima.n_evaluations.tolist(),
            found.index.tolist(),
            before.minimum.tolist(),
            accepted.tolist(),
            strict=True,
        )
        for row, quench in enumerate(rows):
            outcome = Outcome(quench[3])
            self._buffer.quenches.append(quench)
            self.outcomes[int(outcome)] += 1
            self.n_since_new += 1
            if found.is_new[row]:
                self.n_since_new = 0
                self._buffer.minima.append(
                    (
                        minima.positions[row],
                        float(minima.energy[row]),
                        float(minima.fmax[row]),
                        float(lowest[row]),
                        float(log_product[row]),
                        self.n_quenches,
                        keys[row],
                    )
                )
            if outcome.is_violation:
                self._buffer.violations.append(
                    (self.n_quenches, int(outcome), float(minima.energy[row]), minima.positions[row])
                )
            self.n_quenches += 1

    def commit(self, state: dict[str, Tensor]) -> None:
        """Write everything noted and the engine's state, all or nothing."""
        buffer, begin = self._buffer, time.monotonic()
        with self._store.transaction():
            if buffer.quenches:
                self._store.add_quenches(Quenches(*(np.array(column) for column in zip(*buffer.quenches, strict=True))))
            if buffer.minima:
                self._store.add_minima(_stored(buffer.minima))
            if buffer.violations:
                quench, outcome, energy, positions = zip(*buffer.violations, strict=True)
                self._store.add_violations(
                    Violations(
                        torch.tensor(quench),
                        torch.tensor(outcome),
                        torch.tensor(energy, dtype=torch.float64),
                        torch.stack(positions),
                    )
                )
            self._store.save_state(
                {_ENGINE: save({name: tensor.detach().cpu().clone() for name, tensor in state.items()})}
            )
        self._buffer = _Buffer()
        self._ended = time.monotonic()
        self._took = self._ended - begin

    def is_due(self, every: float) -> bool:
        """Return whether it is time for the next commit.

        Args:
            every: Least time between two, seconds; 0 for one whenever asked. It is longer where writing takes long, as the
                state of hundreds of replicas does, but not by more than :data:`_LONGEST`.
        """
        pause = max(every, min(self._took / _WRITING, _LONGEST)) if every else 0.0
        return time.monotonic() - self._ended > pause


def _stored(rows: list[tuple[object, ...]]) -> StoredMinima:
    positions, energy, fmax, lowest, log_product, quench, keys = zip(*rows, strict=True)
    return StoredMinima(
        positions=torch.stack(positions),
        energy=torch.tensor(energy, dtype=torch.float64),
        fmax=torch.tensor(fmax, dtype=torch.float64),
        lowest_curvature=torch.tensor(lowest, dtype=torch.float64),
        log_product=torch.tensor(log_product, dtype=torch.float64),
        quench=torch.tensor(quench),
        visits=torch.ones(len(quench), dtype=torch.long),
        keys=list(keys),
    )
