"""L-BFGS in the metric of a model Hessian: for molecules, where stretches are a thousand times stiffer than torsions.

Plain L-BFGS has to learn that ratio step by step; here only the difference from the guess is learned, by the two-loop
recursion (Nocedal 1980, doi:10.2307/2006193) on top of the inverse of the guess. Idea and gain: Packwood et al. 2016,
doi:10.1063/1.4947024.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from pesx.config import require
from pesx.relax.trust import FORGET_AFTER, is_kept, next_cap, shortening
from pesx.state import Evaluation
from pesx.typing import Energies, Float, Forces, Index, Mask, PerReplica, Positions, Tensor

Metric = Callable[[Positions], Float[Tensor, "B D D"]]
"""From positions to a positive definite guess of the Hessian, eV/angstrom^2."""

_STIFF = 70.0
"""Curvature of a bond, for geometries without a guess: too high costs steps, too low breaks bonds, eV/angstrom^2."""


@dataclass(frozen=True)
class PreconditionedState:
    """State of :class:`PreconditionedLbfgs`; M pairs of a step and the fall of the forces it caused, newest last.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom.
        base: Last accepted positions, angstrom.
        energy: At the base, eV; infinite before the first evaluation.
        forces: At the base, eV/angstrom.
        steps: Remembered steps; zero where there is none.
        falls: Remembered falls of the forces.
        weights: One over the inner product of each pair; zero where there is none.
        inverse: Inverse of the guess, angstrom^2/eV.
        age: Steps since the guess was made.
        cap: Largest atomic displacement allowed now, angstrom.
        n_refused: Steps refused since the last accepted one.
    """

    positions: Positions
    base: Positions
    energy: Energies
    forces: Forces
    steps: Float[Tensor, "B M D"]
    falls: Float[Tensor, "B M D"]
    weights: Float[Tensor, "B M"]
    inverse: Float[Tensor, "B D D"]
    age: Index
    cap: PerReplica
    n_refused: Index


@dataclass(frozen=True)
class PreconditionedLbfgs:
    """Preconditioned L-BFGS (a :class:`~pesx.protocols.Stepper`) without line search, by :mod:`pesx.relax.trust`.

    Attributes:
        metric: Guess of the Hessian.
        memory: Pairs remembered. Few on a way down, where curvatures change; more than there are soft modes near a minimum.
        max_step: Largest displacement of an atom in one step, angstrom.
        refresh: Steps after which the guess is made anew.
        max_rise: Rise of the energy taken as noise, eV; eight units of rounding of the energy are allowed beside it.
        min_cosine: A pair is remembered if the cosine between step and fall of the forces is larger.
    """

    metric: Metric
    memory: int = 6
    max_step: float = 0.3
    refresh: int = 3
    max_rise: float = 1e-4
    min_cosine: float = 1e-4

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=["max_step"],
            at_least_zero=["max_rise", "min_cosine"],
            at_least_one=["memory", "refresh"],
        )

    def init(self, positions: Positions) -> PreconditionedState:
        """Return the state of replicas that start at these positions, without history."""
        n_replicas, size = positions.shape[0], 3 * positions.shape[1]
        counts = torch.zeros(n_replicas, dtype=torch.long, device=positions.device)
        pairs = positions.new_zeros((n_replicas, self.memory, size))
        return PreconditionedState(
            positions=positions,
            base=positions,
            energy=torch.full((n_replicas,), torch.inf, dtype=torch.float64, device=positions.device),
            forces=torch.zeros_like(positions),
            steps=pairs,
            falls=pairs,
            weights=pairs[:, :, 0],
            inverse=inverse_of(self.metric, positions),
            age=counts,
            cap=positions.new_full((n_replicas,), self.max_step),
            n_refused=counts,
        )

    @torch.no_grad()
    def step(self, state: PreconditionedState, now: Evaluation) -> PreconditionedState:
        """Return the next state, given the evaluation at ``state.positions``."""
        is_accepted = is_kept(now, state.energy, self.max_rise)
        at_atoms = is_accepted[:, None, None]
        base = torch.where(at_atoms, state.positions, state.base)
        forces = torch.where(at_atoms, now.forces, state.forces)
        n_refused = torch.where(is_accepted, 0, state.n_refused + 1)
        length = torch.linalg.vector_norm(state.positions - state.base, dim=-1).amax(dim=-1)
        cap = next_cap(state.cap, length, is_accepted, max_step=self.max_step)
        steps, falls, weights = self._remember(state, base, forces, forgets=n_refused >= FORGET_AFTER)
        inverse, age = self._refreshed(state, base)
        step = _two_loops(forces.flatten(1), steps, falls, weights, inverse).view_as(base)
        longest = torch.linalg.vector_norm(step, dim=-1).amax(dim=-1)
        return replace(
            state,
            positions=base + shortening(longest, cap)[:, None, None] * step,
            base=base,
            energy=torch.where(is_accepted, now.energy.double(), state.energy),
            forces=forces,
            steps=steps,
            falls=falls,
            weights=weights,
            inverse=inverse,
            age=age,
            cap=cap,
            n_refused=n_refused,
        )

    def _remember(
        self, state: PreconditionedState, base: Positions, forces: Forces, *, forgets: Mask
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return steps, falls and weights with the newest pair in and the oldest out."""
        step, fall = (base - state.base).flatten(1), (state.forces - forces).flatten(1)
        product = (step * fall).sum(dim=1)
        bound = self.min_cosine * torch.linalg.vector_norm(step, dim=1) * torch.linalg.vector_norm(fall, dim=1)
        # False also for the first evaluation and for a refused step, which are zero steps, and for NaN. Such a replica
        # keeps its history as it is.
        is_good = torch.isfinite(state.energy) & (product > bound)
        weight = torch.where(is_good, 1.0 / product, 0.0)
        at_pairs = is_good[:, None]
        steps = torch.where(at_pairs[..., None], torch.cat([state.steps[:, 1:], step[:, None]], dim=1), state.steps)
        falls = torch.where(at_pairs[..., None], torch.cat([state.falls[:, 1:], fall[:, None]], dim=1), state.falls)
        weights = torch.where(at_pairs, torch.cat([state.weights[:, 1:], weight[:, None]], dim=1), state.weights)
        return steps, falls, torch.where(forgets[:, None], 0.0, weights)

    def _refreshed(self, state: PreconditionedState, base: Positions) -> tuple[Tensor, Index]:
        """Return the inverse of the guess, made anew where it has grown old, and its age."""
        is_old = state.age >= self.refresh
        old = is_old.nonzero()[:, 0]
        if not len(old):
            return state.inverse, state.age + 1
        inverse = state.inverse.index_copy(0, old, inverse_of(self.metric, base[old]))
        return inverse, torch.where(is_old, 0, state.age + 1)


def inverse_of(metric: Metric, positions: Positions) -> Float[Tensor, "B D D"]:
    """Return the inverse of the guess, angstrom^2/eV; that of a stiff curvature where the geometry or the guess is no good.

    Args:
        metric: The guess.
        positions: Angstrom.
    """
    is_finite = torch.isfinite(positions).flatten(1).all(dim=1)[:, None, None]
    size = 3 * positions.shape[1]
    plain = _STIFF * torch.eye(size, dtype=positions.dtype, device=positions.device)
    guess = metric(torch.where(is_finite, positions, 0.0))
    factor, failed = torch.linalg.cholesky_ex(torch.where(is_finite, guess, plain))
    factor = torch.where((failed != 0)[:, None, None], plain.sqrt(), factor)
    inverse: Tensor = torch.cholesky_inverse(factor)
    return inverse


def _two_loops(
    forces: Float[Tensor, "B D"],
    steps: Float[Tensor, "B M D"],
    falls: Float[Tensor, "B M D"],
    weights: Float[Tensor, "B M"],
    inverse: Float[Tensor, "B D D"],
) -> Float[Tensor, "B D"]:
    """Return the quasi-Newton step. Sums of products instead of matrix calls, which round differently in other batches."""
    q, kept = forces, []
    for m in range(steps.shape[1] - 1, -1, -1):
        share = weights[:, m] * (steps[:, m] * q).sum(dim=1)
        q = q - share[:, None] * falls[:, m]
        kept.append(share)
    r = (inverse * q[:, None]).sum(dim=2)
    for m, share in enumerate(reversed(kept)):
        correction = share - weights[:, m] * (falls[:, m] * r).sum(dim=1)
        r = r + correction[:, None] * steps[:, m]
    return r
