"""Langevin dynamics by the BAOAB splitting (Leimkuhler and Matthews 2013, doi:10.1093/amrx/abs010).

Half a kick, half a drift, the exact solution of friction and noise for a whole step, half a drift, half a kick. For a
harmonic force the positions have the exact canonical variance at every stable time step.

Noise and friction act on the 3N-6 internal degrees of freedom: after each, the velocities are projected on those without
momentum and angular momentum. The projection is orthogonal in the kinetic energy, so the noise left is the exact one for these
degrees of freedom, and the centrifugal forces of :mod:`pesx.dynamics.rigid` make the shapes canonical.
"""

from dataclasses import dataclass, replace
from math import exp

import torch

from pesx.config import require
from pesx.dynamics.motion import Motion, kicked
from pesx.dynamics.noise import Noise
from pesx.dynamics.rigid import Rigid
from pesx.state import Evaluation
from pesx.typing import Energies, Float, Forces, Positions, Tensor


@dataclass(frozen=True, eq=False)
class Langevin:
    """Constant temperature by friction and noise (an :class:`~pesx.dynamics.motion.Integrator`).

    Attributes:
        masses: In eV fs^2/angstrom^2; see :func:`~pesx.dynamics.masses.inertial`.
        timestep: fs.
        friction: 1/fs.
        noise: Of the run.
        is_free: Whether momentum and angular momentum are kept at zero.
    """

    masses: Float[Tensor, "N"]
    timestep: float
    friction: float
    noise: Noise
    is_free: bool = True

    def __post_init__(self) -> None:
        require(self, above_zero=["timestep"], at_least_zero=["friction"])

    def init(self, positions: Positions) -> Motion:
        """Return replicas at rest."""
        return Motion.at_rest(positions)

    def complete(self, state: Motion, now: Evaluation) -> Motion:
        """Return the same time with the velocities no longer behind the positions."""
        return self._completed(state, self._forces(state, now))

    def step(self, state: Motion, now: Evaluation) -> Motion:
        """Return the next state, given the evaluation at ``state.positions``."""
        forces = self._forces(state, now)
        at = self._completed(state, forces)
        half = 0.5 * self.timestep
        velocities = kicked(at.velocities, forces, self.masses, half)
        middle = at.positions + half * velocities
        keep = exp(-self.friction * self.timestep)
        thermal = torch.sqrt((1 - keep**2) * at.kT[:, None, None] / self.masses.to(middle)[:, None])
        velocities = keep * velocities + thermal * self.noise.at(at.replica, at.n_steps, velocities)
        if self.is_free:
            velocities = Rigid.of(middle, self.masses).removed_from(velocities)
        return replace(
            at,
            positions=middle + half * velocities,
            velocities=velocities,
            lag=at.lag + 0.5,
            n_steps=at.n_steps + 1,
        )

    def conserved(self, state: Motion, now: Evaluation) -> Energies | None:  # noqa: ARG002  other integrators have it
        """Return None: the energy goes to and comes from the thermostat."""
        return None

    def _completed(self, state: Motion, forces: Forces) -> Motion:
        velocities = kicked(state.velocities, forces, self.masses, self.timestep * state.lag)
        return replace(state, velocities=velocities, lag=state.lag * 0)

    def _forces(self, state: Motion, now: Evaluation) -> Forces:
        forces = now.forces.to(state.velocities.dtype)
        return forces + Rigid.of(state.positions, self.masses).centrifugal(state.kT) if self.is_free else forces
