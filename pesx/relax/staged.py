"""A rough relaxer while the forces are large, a fine one from then on."""

from dataclasses import dataclass, field
from typing import Any

import torch

from pesx.config import require
from pesx.protocols import Stepper
from pesx.relax.fire import Fire
from pesx.relax.lbfgs import Lbfgs
from pesx.state import Evaluation, fmax, put_rows, take_rows
from pesx.typing import Index, Mask, Positions

_BACK = 10.0
"""How far over the switch forces must grow to go back: far enough that no replica changes back and forth."""


@dataclass(frozen=True)
class StagedState:
    """State of :class:`Staged`.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom.
        is_fine: Whether the replica has reached the fine stage.
        rough: State of the rough relaxer; at rest where ``is_fine``.
        fine: State of the fine relaxer; at rest elsewhere.
    """

    positions: Positions
    is_fine: Mask
    rough: Any
    fine: Any


@dataclass(frozen=True)
class Staged:
    """One relaxer until the largest force falls below ``switch``, then another; FIRE and L-BFGS unless told otherwise.

    A replica goes back only if, in the fine stage, its forces grow tenfold over ``switch``.

    Attributes:
        rough: Relaxer of the rough stage.
        fine: Relaxer of the fine stage.
        switch: Largest atomic force at which a replica changes over, eV/angstrom.
    """

    rough: Stepper[Any] = field(default_factory=Fire)
    fine: Stepper[Any] = field(default_factory=Lbfgs)
    switch: float = 1.0

    def __post_init__(self) -> None:
        require(self, above_zero=["switch"])

    def init(self, positions: Positions) -> StagedState:
        """Return the state of replicas that start at these positions in the rough stage."""
        return StagedState(
            positions=positions,
            is_fine=torch.zeros(positions.shape[0], dtype=torch.bool, device=positions.device),
            rough=self.rough.init(positions),
            fine=self.fine.init(positions),
        )

    @torch.no_grad()
    def step(self, state: StagedState, now: Evaluation) -> StagedState:
        """Return the next state, given the evaluation at ``state.positions``.

        Each relaxer steps its own replicas only; nothing is copied while all are in one stage.
        """
        largest = fmax(now.forces)
        starts_fine = ~state.is_fine & (largest < self.switch)
        starts_rough = state.is_fine & (largest > _BACK * self.switch)
        is_fine = (state.is_fine & ~starts_rough) | starts_fine
        # All that the host has to know, in one look: each would make a device wait.
        counts = torch.stack([starts_rough.sum(), starts_fine.sum(), (~is_fine).sum()])
        n_start_rough, n_start_fine, n_rough = counts.tolist()
        rough, fine = state.rough, state.fine
        if n_start_rough:
            rough = _restarted(self.rough, rough, starts_rough, state.positions)
        if n_start_fine:
            fine = _restarted(self.fine, fine, starts_fine, state.positions)
        if n_rough == len(is_fine):
            rough = self.rough.step(rough, now)
        elif n_rough == 0:
            fine = self.fine.step(fine, now)
        else:
            order = is_fine.long().argsort(stable=True)
            rough = _advanced(self.rough, rough, order[:n_rough], now)
            fine = _advanced(self.fine, fine, order[n_rough:], now)
        positions = torch.where(is_fine[:, None, None], fine.positions, rough.positions)
        return StagedState(positions=positions, is_fine=is_fine, rough=rough, fine=fine)


def _restarted(relaxer: Stepper[Any], state: Any, rows: Mask, positions: Positions) -> Any:
    """Return the state with some rows begun anew at the positions."""
    return put_rows(state, rows, relaxer.init(positions[rows]))


def _advanced(relaxer: Stepper[Any], state: Any, rows: Index, now: Evaluation) -> Any:
    """Return the state with some rows one step on."""
    return put_rows(state, rows, relaxer.step(take_rows(state, rows), take_rows(now, rows)))
