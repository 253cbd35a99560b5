"""Downhill in the metric of a model Hessian, without memory: what moves the images of a band of a molecule.

The forces across a path are no gradient of anything, so a quasi-Newton memory of them goes astray; but bonds are a thousand
times stiffer than torsions in every image, and the metric alone takes care of that (Makri, Ortner and Kermode 2019,
doi:10.1063/1.5064465).
"""

from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.relax.preconditioned import Metric, inverse_of
from pesx.state import Evaluation
from pesx.typing import Float, Forces, Index, PerReplica, Positions, Tensor

_GROWTH = 1.3
"""Factor by which a step grows towards the whole one after steps that did not overshoot."""


@dataclass(frozen=True)
class SlideState:
    """State of :class:`Slide`.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom.
        forces: At the position before, eV/angstrom; zero before the first evaluation.
        inverse: Inverse of the guess, angstrom^2/eV.
        age: Steps since the guess was made.
        share: How much of the step of the guess is made.
    """

    positions: Positions
    forces: Forces
    inverse: Float[Tensor, "B D D"]
    age: Index
    share: PerReplica


@dataclass(frozen=True)
class Slide:
    """Preconditioned steepest descent with a step that halves where it overshoots (a :class:`~pesx.protocols.Stepper`).

    Attributes:
        metric: Guess of the Hessian.
        max_step: Largest displacement of an atom in one step, angstrom.
        refresh: Steps after which the guess is made anew.
        share: How much of the step of the guess is made at first.
    """

    metric: Metric
    max_step: float = 0.2
    refresh: int = 5
    share: float = 0.7

    def __post_init__(self) -> None:
        require(self, above_zero=["max_step", "share"], fractions=["share"], at_least_one=["refresh"])

    def init(self, positions: Positions) -> SlideState:
        """Return the state of replicas that start at these positions."""
        return SlideState(
            positions=positions,
            forces=torch.zeros_like(positions),
            inverse=inverse_of(self.metric, positions),
            age=torch.zeros(len(positions), dtype=torch.long, device=positions.device),
            share=positions.new_full((len(positions),), self.share),
        )

    @torch.no_grad()
    def step(self, state: SlideState, now: Evaluation) -> SlideState:
        """Return the next state, given the evaluation at ``state.positions``."""
        inverse, is_old = state.inverse, state.age >= self.refresh
        if is_old.any():
            inverse = inverse.clone()
            inverse[is_old] = inverse_of(self.metric, state.positions[is_old])
        whole = (inverse * now.forces.flatten(1)[:, None]).sum(dim=2)
        overshoots = (whole * state.forces.flatten(1)).sum(dim=1) < 0.0
        share = torch.where(overshoots, 0.5 * state.share, (_GROWTH * state.share).clamp(max=1.0))
        step = (share[:, None] * whole).view_as(now.forces)
        longest = torch.linalg.vector_norm(step, dim=-1).amax(dim=-1)
        step = step * (self.max_step / longest.clamp(min=1e-12)).clamp(max=1.0)[:, None, None]
        return SlideState(
            positions=state.positions + step,
            forces=now.forces,
            inverse=inverse,
            age=torch.where(is_old, 1, state.age + 1),
            share=share,
        )


__all__ = ["Slide", "SlideState"]
