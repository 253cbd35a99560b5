"""Velocity Verlet: dynamics at constant energy (Swope et al. 1982, doi:10.1063/1.442716)."""

from dataclasses import dataclass, replace

from pesx.config import require
from pesx.dynamics.motion import Motion, kicked, kinetic_energy
from pesx.dynamics.rigid import Rigid
from pesx.state import Evaluation
from pesx.typing import Energies, Float, Positions, Tensor


@dataclass(frozen=True, eq=False)
class VelocityVerlet:
    """Constant energy; symplectic and reversible (an :class:`~pesx.dynamics.motion.Integrator`).

    Attributes:
        masses: In eV fs^2/angstrom^2; see :func:`~pesx.dynamics.masses.inertial`.
        timestep: fs.
        is_free: Whether momentum and angular momentum are kept at zero. Exact forces keep them; what forces in float32 are
            off by would add up.
    """

    masses: Float[Tensor, "N"]
    timestep: float
    is_free: bool = True

    def __post_init__(self) -> None:
        require(self, above_zero=["timestep"])

    def init(self, positions: Positions) -> Motion:
        """Return replicas at rest."""
        return Motion.at_rest(positions)

    def complete(self, state: Motion, now: Evaluation) -> Motion:
        """Return the same time with the velocities no longer behind the positions."""
        velocities = kicked(state.velocities, now.forces, self.masses, self.timestep * state.lag)
        if self.is_free:
            velocities = Rigid.of(state.positions, self.masses).removed_from(velocities)
        return replace(state, velocities=velocities, lag=state.lag * 0)

    def step(self, state: Motion, now: Evaluation) -> Motion:
        """Return the next state, given the evaluation at ``state.positions``."""
        at = self.complete(state, now)
        velocities = kicked(at.velocities, now.forces, self.masses, 0.5 * self.timestep)
        return replace(
            at,
            positions=at.positions + self.timestep * velocities,
            velocities=velocities,
            lag=at.lag + 0.5,
            n_steps=at.n_steps + 1,
        )

    def conserved(self, state: Motion, now: Evaluation) -> Energies | None:
        """Return the total energy, eV, of a state that is complete."""
        return now.energy.double() + kinetic_energy(state.velocities, self.masses)
