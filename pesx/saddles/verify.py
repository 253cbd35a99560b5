"""Whether a stationary point is a transition state, and which minima it joins."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from pesx.config import require
from pesx.outcome import Outcome
from pesx.protocols import Potential, Stepper
from pesx.relax.quench import Convergence, quench
from pesx.saddles.search import Saddles
from pesx.state import Minima, Modes, put_rows, take_rows
from pesx.typing import Index, Mask, Positions


@dataclass(frozen=True)
class Transitions:
    """Transition states and the minima on both sides, row by row.

    Attributes:
        saddle: The transition state.
        first: Where the way down along its mode ends.
        second: Where the way down against its mode ends.
        outcome: CONVERGED for a transition state between two minima, otherwise what went wrong first.
        n_evaluations: Force evaluations of all three, and of finding the index.
    """

    saddle: Saddles
    first: Minima
    second: Minima
    outcome: Index
    n_evaluations: Index


@dataclass(frozen=True)
class Descent:
    """The way down on both sides of a transition state.

    Attributes:
        relaxer: Any stepper that goes downhill.
        convergence: When it has arrived.
        push: First displacement along the mode, of the atom that moves most, angstrom.
        polish: Relaxer for the rest of the way in float64; None for none.
        polish_convergence: When that has arrived.
    """

    relaxer: Stepper[Any]
    convergence: Convergence
    push: float = 0.05
    polish: Stepper[Any] | None = None
    polish_convergence: Convergence = field(default_factory=lambda: Convergence(fmax=1e-4, max_steps=200))

    def __post_init__(self) -> None:
        require(self, above_zero=["push"])

    def starts(self, saddle: Saddles) -> tuple[Positions, Positions]:
        """Return where the ways down begin, along the mode and against it, angstrom."""
        longest = torch.linalg.vector_norm(saddle.mode, dim=-1).amax(dim=-1)[:, None, None]
        shift = self.push * saddle.mode / longest
        return saddle.positions + shift, saddle.positions - shift


def verify(
    descent: Descent,
    potential: Potential,
    saddle: Saddles,
    *,
    modes_of: Callable[[Positions], Modes] | None = None,
    dtype: torch.dtype = torch.float64,
) -> Transitions:
    """Return what transition states join; rows that are none get no evaluation.

    Args:
        descent: How to go down.
        potential: Bound to the molecule.
        saddle: Where searches ended.
        modes_of: Says how many negative modes a stationary point has; None to take the follower's word, which has measured
            the two lowest.
        dtype: Of the rough way down; the polish is in float64.
    """
    outcome, cost = saddle.outcome.clone(), saddle.n_evaluations.clone()
    rows = (outcome == Outcome.CONVERGED).nonzero()[:, 0]
    if modes_of is not None and len(rows):
        found = modes_of(saddle.positions[rows])
        cost[rows] += found.n_evaluations
        outcome[rows[found.n_negative != 1]] = Outcome.WRONG_INDEX.value
        rows = rows[found.n_negative == 1]
    ends = _nowhere(saddle), _nowhere(saddle)
    if len(rows):
        starts = torch.cat(descent.starts(take_rows(saddle, rows)))
        down = _down(descent, potential, starts, dtype)
        halves = [take_rows(down, torch.arange(len(down.energy)) // len(rows) == half) for half in range(2)]
        ends = put_rows(ends[0], rows, halves[0]), put_rows(ends[1], rows, halves[1])
        for half in reversed(halves):
            outcome[rows] = torch.where(half.outcome == Outcome.CONVERGED, outcome[rows], half.outcome)
            cost[rows] += half.n_evaluations
    return Transitions(saddle=saddle, first=ends[0], second=ends[1], outcome=outcome, n_evaluations=cost)


def _down(descent: Descent, potential: Potential, starts: Positions, dtype: torch.dtype) -> Minima:
    down = quench(descent.relaxer, potential, starts.to(dtype), convergence=descent.convergence)
    is_there: Mask = down.outcome == Outcome.CONVERGED
    if descent.polish is None or not is_there.any():
        return down
    rough = take_rows(down, is_there)
    fine = quench(descent.polish, potential, rough.positions.double(), convergence=descent.polish_convergence)
    total = Minima(fine.positions, fine.energy, fine.fmax, fine.outcome, fine.n_evaluations + rough.n_evaluations)
    return put_rows(down, is_there, total)


def _nowhere(saddle: Saddles) -> Minima:
    """Return ends of ways that are not gone."""
    return Minima(
        positions=torch.full_like(saddle.positions, torch.nan),
        energy=torch.full_like(saddle.energy, torch.nan),
        fmax=torch.full_like(saddle.fmax, torch.nan),
        outcome=torch.zeros_like(saddle.outcome),
        n_evaluations=torch.zeros_like(saddle.n_evaluations),
    )


__all__ = ["Descent", "Transitions", "verify"]
