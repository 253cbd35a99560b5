"""Rows in one phase of a connection: bands, searches, ways down.

What is done leaves and what waits comes in, so a batch never drains while slow rows go on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from pesx.outcome import Outcome
from pesx.state import Evaluation, cat_rows, take_rows
from pesx.typing import Index, Positions, Tensor


@dataclass(frozen=True)
class Rows:
    """All that belongs to the rows of a lane.

    Attributes:
        job: What each row is about; a number that the caller gives.
        n_steps: Steps that each has made.
        state: Of the stepper, after them.
        seen: Where each was evaluated last, (R, K, N, 3) for K evaluations a row, angstrom.
        energy: There, (R, K), eV.
        forces: There, (R, K, N, 3), eV/angstrom.
    """

    job: Index
    n_steps: Index
    state: Any
    seen: Tensor
    energy: Tensor
    forces: Tensor

    @property
    def place(self) -> Positions:
        """Where rows of one evaluation each were evaluated last, angstrom."""
        return self.seen[:, 0]

    @property
    def now(self) -> Evaluation:
        """What that gave."""
        return Evaluation(self.energy[:, 0], self.forces[:, 0])


class Lane:
    """The rows in one phase.

    Args:
        step: Returns the next state of rows, given their evaluations: that of a stepper, or of one whose rows take several.
        size: Most rows at a time.
        outcome: Returns an outcome code for each row after a step; RUNNING for those that stay.
    """

    def __init__(self, step: Callable[[Any, Evaluation], Any], size: int, outcome: Callable[[Rows], Index]) -> None:
        self._step = step
        self.size = size
        self._outcome = outcome
        self._rows: Rows | None = None

    def __len__(self) -> int:
        return 0 if self._rows is None else len(self._rows.job)

    @property
    def n_free(self) -> int:
        """How many more rows there is room for."""
        return max(0, self.size - len(self))

    @property
    def positions(self) -> Positions:
        """Where evaluations are wanted, all those of the first row, then of the next, angstrom; only of a lane with rows."""
        assert self._rows is not None
        positions: Positions = self._rows.state.positions
        return positions

    def put(self, job: Index, state: Any) -> None:
        """Add rows in the given states."""
        if not len(job):
            return
        wanted = state.positions
        seen = wanted.reshape(len(job), -1, *wanted.shape[1:])
        energy = torch.full(seen.shape[:2], torch.nan, dtype=torch.float64, device=seen.device)
        fresh = Rows(job, torch.zeros_like(job), state, seen, energy, torch.zeros_like(seen))
        self._rows = fresh if self._rows is None else cat_rows([self._rows, fresh])

    def advance(self, now: Evaluation) -> tuple[Rows, Index]:
        """Make one step with the evaluations at :attr:`positions`; take out what is done, and return it with its outcomes."""
        assert self._rows is not None
        rows = self._rows
        stepped = Rows(
            job=rows.job,
            n_steps=rows.n_steps + 1,
            state=self._step(rows.state, now),
            seen=self.positions.reshape(rows.seen.shape),
            energy=now.energy.double().view(rows.energy.shape),
            forces=now.forces.view(rows.forces.shape),
        )
        outcome = self._outcome(stepped)
        is_done = outcome != Outcome.RUNNING
        self._rows = take_rows(stepped, ~is_done)
        return take_rows(stepped, is_done), outcome[is_done]


__all__ = ["Lane", "Rows"]
