"""Nose-Hoover chains: deterministic dynamics at constant temperature (Martyna et al. 1996, doi:10.1080/00268979600100761).

One chain of thermostats per replica scales all velocities alike, so momentum and angular momentum stay zero. Half a step of the
chain, velocity Verlet, half a step of the chain: the splitting of the source, with one link of the factorisation, because
the thermostats are slow beside a time step.
"""

from dataclasses import dataclass, replace

import torch

from pesx.config import require
from pesx.dynamics.motion import Motion, kicked, kinetic_energy
from pesx.dynamics.rigid import Rigid, degrees_of_freedom
from pesx.state import Evaluation
from pesx.typing import Energies, Float, Forces, PerReplica, Positions, Tensor


@dataclass(frozen=True)
class ChainedMotion(Motion):
    """Replicas with their thermostats.

    Attributes:
        heat: Positions of the thermostats; times their thermal energies, the heat that each has taken up.
        rate: Their velocities, 1/fs.
    """

    heat: Float[Tensor, "B C"]
    rate: Float[Tensor, "B C"]


@dataclass(frozen=True, eq=False)
class NoseHoover:
    """Constant temperature by a chain of thermostats (an :class:`~pesx.dynamics.motion.Integrator`).

    Attributes:
        masses: In eV fs^2/angstrom^2; see :func:`~pesx.dynamics.masses.inertial`.
        timestep: fs.
        relaxation: Time scale of the thermostats, fs.
        n_thermostats: Length of the chain.
        is_free: Whether momentum and angular momentum are kept at zero.
    """

    masses: Float[Tensor, "N"]
    timestep: float
    relaxation: float = 100.0
    n_thermostats: int = 3
    is_free: bool = True

    def __post_init__(self) -> None:
        require(self, above_zero=["timestep", "relaxation"], at_least_one=["n_thermostats"])

    def init(self, positions: Positions) -> ChainedMotion:
        """Return replicas at rest."""
        still = positions.new_zeros(len(positions), self.n_thermostats)
        return ChainedMotion(**vars(Motion.at_rest(positions)), heat=still, rate=still)

    def complete(self, state: ChainedMotion, now: Evaluation) -> ChainedMotion:
        """Return the same time with the velocities no longer behind the positions."""
        return self._completed(state, self._forces(state, now))

    def step(self, state: ChainedMotion, now: Evaluation) -> ChainedMotion:
        """Return the next state, given the evaluation at ``state.positions``."""
        forces = self._forces(state, now)
        at = self._completed(state, forces)
        at = self._thermostatted(at, torch.full_like(at.lag, 0.5 * self.timestep))
        velocities = kicked(at.velocities, forces, self.masses, 0.5 * self.timestep)
        return replace(
            at,
            positions=at.positions + self.timestep * velocities,
            velocities=velocities,
            lag=at.lag + 0.5,
            n_steps=at.n_steps + 1,
        )

    def conserved(self, state: ChainedMotion, now: Evaluation) -> Energies | None:
        """Return the energy of molecule and thermostats, eV, of a state that is complete."""
        total = now.energy.double() + kinetic_energy(state.velocities, self.masses)
        if self.is_free:
            total = total + Rigid.of(state.positions, self.masses).mean_force_potential(state.kT)
        degrees, inertia = self._degrees(state.kT), self._inertia(state.kT)
        stored = degrees * state.kT[:, None] * state.heat + 0.5 * inertia * state.rate**2
        return total + stored.sum(dim=1)

    def _completed(self, state: ChainedMotion, forces: Forces) -> ChainedMotion:
        velocities = kicked(state.velocities, forces, self.masses, self.timestep * state.lag)
        if self.is_free:
            velocities = Rigid.of(state.positions, self.masses).removed_from(velocities)
        after = self._thermostatted(replace(state, velocities=velocities), self.timestep * state.lag)
        return replace(after, lag=state.lag * 0)

    def _thermostatted(self, state: ChainedMotion, time: PerReplica) -> ChainedMotion:
        """Let the thermostats act for a time, fs."""
        inertia, degrees, kT = self._inertia(state.kT), self._degrees(state.kT), state.kT  # noqa: N806
        rate = list(state.rate.unbind(dim=1))
        doubled = 2 * kinetic_energy(state.velocities, self.masses)
        last = len(rate) - 1

        def push(link: int, doubled: Tensor) -> None:
            """Turn one thermostat by what drives it for half the time, slowed by the next one."""
            driven = doubled if link == 0 else inertia[:, link - 1] * rate[link - 1] ** 2
            drive = (driven - degrees[link] * kT) / inertia[:, link]
            slow = torch.exp(-0.25 * time * rate[link + 1]) if link < last else 1.0
            rate[link] = (rate[link] * slow + 0.5 * time * drive) * slow

        for link in reversed(range(len(rate))):
            push(link, doubled)
        scale = torch.exp(-time * rate[0])
        heat = state.heat + time[:, None] * torch.stack(rate, dim=1)
        doubled = doubled * scale**2
        for link in range(len(rate)):
            push(link, doubled)
        return replace(
            state,
            velocities=state.velocities * scale[:, None, None],
            heat=heat,
            rate=torch.stack(rate, dim=1),
        )

    def _inertia(self, kT: PerReplica) -> Float[Tensor, "B C"]:  # noqa: N803
        """Return the inertia of the thermostats, eV fs^2; 1 where there is no temperature, and they do not move."""
        usual = self._degrees(kT) * kT[:, None] * self.relaxation**2
        return torch.where(usual > 0, usual, 1.0)

    def _degrees(self, like: Tensor) -> Float[Tensor, "C"]:
        """Return the degrees of freedom that each thermostat watches."""
        degrees = like.new_ones(self.n_thermostats)
        degrees[0] = degrees_of_freedom(len(self.masses), is_free=self.is_free)
        return degrees

    def _forces(self, state: Motion, now: Evaluation) -> Forces:
        forces = now.forces.to(state.velocities.dtype)
        return forces + Rigid.of(state.positions, self.masses).centrifugal(state.kT) if self.is_free else forces


__all__ = ["ChainedMotion", "NoseHoover"]
