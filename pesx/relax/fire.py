"""FIRE: relaxation by damped dynamics, one clock per replica.

FIRE 2.0 (Guénolé et al. 2020, doi:10.1016/j.commatsci.2020.109584). All masses are 1 u, so the time unit is
angstrom sqrt(u/eV), 10.18 fs.
"""

from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.state import Evaluation
from pesx.typing import Index, PerReplica, Positions, Velocities


@dataclass(frozen=True)
class FireState:
    """State of :class:`Fire`.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom.
        velocities: sqrt(eV/u).
        dt: Time step, angstrom sqrt(u/eV).
        alpha: Share of the velocity turned along the forces.
        n_downhill: Steps downhill since the last one uphill.
    """

    positions: Positions
    velocities: Velocities
    dt: PerReplica
    alpha: PerReplica
    n_downhill: Index


@dataclass(frozen=True)
class Fire:
    """FIRE 2.0 relaxer: robust from clashes, slow near the minimum.

    Where the forces are not finite the replica rests where it is. The defaults are the published ones, as in ASE.

    Attributes:
        dt: First time step, angstrom sqrt(u/eV).
        dt_max: Largest time step.
        dt_min: Smallest time step.
        max_step: Largest displacement of an atom in one step, angstrom.
        n_delay: Downhill steps before the time step grows.
        grow: Factor on the time step downhill.
        shrink: Factor on the time step uphill.
        alpha: First mixing, and the one after each step uphill.
        alpha_shrink: Factor on the mixing downhill.
    """

    dt: float = 0.1
    dt_max: float = 1.0
    dt_min: float = 0.002
    max_step: float = 0.2
    n_delay: int = 20
    grow: float = 1.1
    shrink: float = 0.5
    alpha: float = 0.25
    alpha_shrink: float = 0.99

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=["dt_min", "max_step"],
            at_least_zero=["n_delay"],
            at_least_one=["grow"],
            fractions=["shrink", "alpha", "alpha_shrink"],
            ascending=["dt_min", "dt", "dt_max"],
        )

    def init(self, positions: Positions) -> FireState:
        """Return the state of replicas at rest at these positions."""
        n_replicas = positions.shape[0]
        return FireState(
            positions=positions,
            velocities=torch.zeros_like(positions),
            dt=positions.new_full((n_replicas,), self.dt),
            alpha=positions.new_full((n_replicas,), self.alpha),
            n_downhill=torch.zeros(n_replicas, dtype=torch.int64, device=positions.device),
        )

    @torch.no_grad()
    def step(self, state: FireState, now: Evaluation) -> FireState:
        """Return the next state, given the evaluation at ``state.positions``."""
        is_finite = torch.isfinite(now.forces.abs().amax((1, 2)))
        forces = torch.where(is_finite[:, None, None], now.forces, 0.0)
        is_downhill = (forces * state.velocities).sum((1, 2)) > 0.0
        # At the very start the velocity is zero; that is neither uphill nor downhill.
        is_uphill = ~is_downhill & (state.velocities != 0.0).any(-1).any(-1)
        n_downhill = torch.where(is_downhill, state.n_downhill + 1, 0)
        is_faster = n_downhill > self.n_delay
        dt = torch.where(is_faster, (state.dt * self.grow).clamp(max=self.dt_max), state.dt)
        dt = torch.where(is_uphill, (state.dt * self.shrink).clamp(min=self.dt_min), dt)
        alpha = torch.where(is_faster, state.alpha * self.alpha_shrink, state.alpha)
        alpha = torch.where(is_uphill, self.alpha, alpha)
        # Uphill, half of the step that went too far is taken back.
        back = torch.where(is_uphill, 0.5 * dt, 0.0)[:, None, None]
        velocities = torch.where(is_downhill[:, None, None], state.velocities, 0.0) + dt[:, None, None] * forces
        speed, pull = velocities.square().sum((1, 2)).sqrt(), forces.square().sum((1, 2)).sqrt()
        along = torch.where(pull > 0.0, alpha * speed / pull, 0.0)
        velocities = (1.0 - alpha)[:, None, None] * velocities + along[:, None, None] * forces
        step = dt[:, None, None] * velocities - back * state.velocities
        # The velocity is cut with the step: a clash would otherwise leave a speed that throws atoms far away.
        longest = step.square().sum(-1).amax(-1).sqrt()
        cut = torch.where(longest > self.max_step, self.max_step / longest, 1.0)[:, None, None]
        step, velocities = cut * step, cut * velocities
        return FireState(
            positions=torch.where(is_finite[:, None, None], state.positions + step, state.positions),
            velocities=torch.where(is_finite[:, None, None], velocities, 0.0),
            dt=dt,
            alpha=alpha,
            n_downhill=n_downhill,
        )
