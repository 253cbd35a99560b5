"""L-BFGS for many replicas at once, each with its own history.

The inverse Hessian is kept in the compact form of Byrd, Nocedal and Schnabel 1994 (doi:10.1007/BF01582063, eq. 3.5),

    H = gamma 1 + [S, gamma Y] [[R^-T (D + gamma Y^T Y) R^-1, -R^-T], [-R^-1, 0]] [S, gamma Y]^T,

with R the upper triangle and D the diagonal of S^T Y. Dropping the oldest pair cuts the first row and column off R and
off its inverse alike, and a new pair adds one column, so R^-1 itself is carried along and a step is a few whole-batch
products instead of two loops over the history. A pair that is refused takes its place as zeros, which do nothing.
"""

from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.errors import ConfigError
from pesx.relax.trust import FORGET_AFTER, is_kept, next_cap, shortening
from pesx.state import Evaluation
from pesx.typing import Energies, Float, Forces, Index, Mask, PerReplica, Positions, Tensor

_FIRST_CAP = 0.125
"""The first step, along the forces, is at most a quarter of the largest step: before it, the cap grows once."""


@dataclass(frozen=True)
class LbfgsState:
    """State of :class:`Lbfgs`; M pairs of a step and the fall of the forces it caused, D = 3N.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom.
        base: Last accepted positions, angstrom.
        energy: At the base, eV; infinite before the first evaluation.
        forces: At the base, eV/angstrom.
        pairs: Step and fall of the forces, oldest pair first.
        dots: The pairs' inner products with the forces at the base.
        inverse: Inverse of R.
        gram: Y^T Y.
        curvature: D, the step times the fall of the forces.
        gamma: Scale of the inverse Hessian, angstrom^2/eV.
        cap: Largest atomic displacement allowed now, angstrom.
        length: Largest atomic displacement from the base to the positions, angstrom.
        n_refused: Steps refused since the last accepted one.
    """

    positions: Positions
    base: Positions
    energy: Energies
    forces: Forces
    pairs: Float[Tensor, "B M 2 D"]
    dots: Float[Tensor, "B M 2"]
    inverse: Float[Tensor, "B M M"]
    gram: Float[Tensor, "B M M"]
    curvature: Float[Tensor, "B M"]
    gamma: PerReplica
    cap: PerReplica
    length: PerReplica
    n_refused: Index


@dataclass(frozen=True)
class Lbfgs:
    """Limited-memory BFGS relaxer (Liu and Nocedal 1989, doi:10.1007/BF01589116) without line search.

    A step is the quasi-Newton step, shortened so that no atom moves farther than the replica's cap. If the energy then
    rises or is not finite, the replica goes back and takes a quarter of the step; if it rises again it forgets its
    history (see :mod:`pesx.relax.trust`).

    Attributes:
        memory: Pairs remembered.
        max_step: Largest displacement of an atom in one step, angstrom.
        stiffness: Curvature assumed before there is a history, eV/angstrom^2.
        max_rise: Rise of the energy taken as noise, eV; eight units of rounding of the energy are allowed beside it.
        min_cosine: A pair is remembered if the cosine between step and fall of the forces is larger.
    """

    memory: int = 10
    max_step: float = 0.2
    stiffness: float = 70.0
    max_rise: float = 1e-4
    min_cosine: float = 1e-8

    def __post_init__(self) -> None:
        require(self, above_zero=["max_step", "stiffness"], at_least_zero=["max_rise", "min_cosine"])
        if self.memory < 2:
            raise ConfigError(f"Expected Lbfgs.memory of at least 2, came {self.memory}. Remember two pairs or more.")

    def init(self, positions: Positions) -> LbfgsState:
        """Return the state of replicas that start at these positions, without history."""
        n_replicas, m = positions.shape[0], self.memory
        new = positions.new_zeros
        return LbfgsState(
            positions=positions,
            base=positions,
            energy=positions.new_full((n_replicas,), torch.inf),
            forces=torch.zeros_like(positions),
            pairs=new((n_replicas, m, 2, 3 * positions.shape[1])),
            dots=new((n_replicas, m, 2)),
            inverse=new((n_replicas, m, m)),
            gram=new((n_replicas, m, m)),
            curvature=new((n_replicas, m)),
            gamma=positions.new_full((n_replicas,), 1.0 / self.stiffness),
            cap=positions.new_full((n_replicas,), _FIRST_CAP * self.max_step),
            length=new((n_replicas,)),
            n_refused=torch.zeros(n_replicas, dtype=torch.int64, device=positions.device),
        )

    @torch.no_grad()
    def step(self, state: LbfgsState, now: Evaluation) -> LbfgsState:
        """Return the next state, given the evaluation at ``state.positions``."""
        is_accepted = is_kept(now, state.energy, self.max_rise)
        at_atoms = is_accepted[:, None, None]
        base = torch.where(at_atoms, state.positions, state.base)
        forces = torch.where(at_atoms, now.forces, state.forces)
        n_refused = torch.where(is_accepted, 0, state.n_refused + 1)
        cap = next_cap(state.cap, state.length, is_accepted, max_step=self.max_step)
        history = self._remember(state, base, forces, keeps=n_refused < FORGET_AFTER)
        pairs, dots, inverse, gram, curvature, gamma = history
        step = _quasi_newton(forces.flatten(1), pairs, dots, inverse, gram, curvature, gamma)
        positions, length = _capped(base, step, forces, gamma, cap)
        return LbfgsState(
            positions=positions,
            base=base,
            energy=torch.where(is_accepted, now.energy, state.energy),
            forces=forces,
            pairs=pairs,
            dots=dots,
            inverse=inverse,
            gram=gram,
            curvature=curvature,
            gamma=gamma,
            cap=cap,
            length=length,
            n_refused=n_refused,
        )

    def _remember(self, state: LbfgsState, base: Positions, forces: Forces, *, keeps: Mask) -> tuple[Tensor, ...]:
        """Return pairs, dots, inverse, gram, curvature and gamma with the newest pair in and the oldest out."""
        n_replicas, m = state.curvature.shape
        pair = torch.stack(((base - state.base).flatten(1), (state.forces - forces).flatten(1)), 1)
        sy, yy = (pair * pair[:, 1:]).sum(-1).unbind(-1)
        ss = (pair[:, 0] * pair[:, 0]).sum(-1)
        # False also for the first evaluation, for a step refused (both are zero steps) and for NaN.
        is_good = sy > self.min_cosine * (ss.sqrt() * yy.sqrt())
        pair = torch.where(is_good[:, None, None], pair, 0.0)
        sy, yy = torch.where(is_good, sy, 0.0), torch.where(is_good, yy, 0.0)
        pairs = torch.cat((state.pairs[:, 1:], pair[:, None]), 1)
        dots = (pairs.flatten(1, 2) * forces.flatten(1)[:, None]).sum(-1).view(n_replicas, m, 2)
        # Inner products with the new fall of the forces are differences of products already known.
        change = state.dots[:, 1:] - dots[:, :-1]
        inverse, gram = torch.zeros_like(state.inverse), torch.zeros_like(state.gram)
        inverse_sy = torch.where(is_good, 1.0 / sy, 0.0)
        older = torch.where(keeps[:, None, None], state.inverse[:, 1:, 1:], 0.0)
        inverse[:, :-1, :-1] = older
        inverse[:, :-1, -1] = (older * change[:, None, :, 0]).sum(-1) * -inverse_sy[:, None]
        inverse[:, -1, -1] = inverse_sy
        gram[:, :-1, :-1] = state.gram[:, 1:, 1:]
        gram[:, :-1, -1] = gram[:, -1, :-1] = change[:, :, 1]
        gram[:, -1, -1] = yy
        curvature = torch.cat((state.curvature[:, 1:], sy[:, None]), 1)
        gamma = torch.where(is_good, sy / yy, state.gamma)
        return pairs, dots, inverse, gram, curvature, gamma


def _quasi_newton(
    forces: Float[Tensor, "B D"],
    pairs: Float[Tensor, "B M 2 D"],
    dots: Float[Tensor, "B M 2"],
    inverse: Float[Tensor, "B M M"],
    gram: Float[Tensor, "B M M"],
    curvature: Float[Tensor, "B M"],
    gamma: PerReplica,
) -> Float[Tensor, "B D"]:
    """Return H times the forces; see the top of the file.

    Products are sums of products and not matrix calls, because those round differently for different batch sizes.
    """
    scale = gamma[:, None]
    w = (inverse * dots[:, None, :, 0]).sum(-1)
    inner = curvature * w + scale * ((gram * w[:, None]).sum(-1) - dots[:, :, 1])
    u = (inverse * inner[:, :, None]).sum(1)
    weights = torch.stack((u, -scale * w), -1).flatten(1)
    return scale * forces + (pairs.flatten(1, 2) * weights[:, :, None]).sum(1)


def _capped(
    base: Positions, step: Float[Tensor, "B D"], forces: Forces, gamma: PerReplica, cap: PerReplica
) -> tuple[Positions, PerReplica]:
    """Return base plus the step, shortened to the cap, and its length; along the forces if the step goes uphill."""
    step = step.view_as(forces)
    is_downhill = (step * forces).sum((1, 2)) > 0.0
    step = torch.where(is_downhill[:, None, None], step, gamma[:, None, None] * forces)
    length = (step * step).sum(-1).amax(-1).sqrt()
    return base + shortening(length, cap)[:, None, None] * step, torch.minimum(length, cap)
