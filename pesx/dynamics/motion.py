"""Replicas in motion, and what all integrators do with them: kicks, kinetic energies, velocities to start with."""

from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch

from pesx.dynamics.rigid import Rigid
from pesx.protocols import StepperState
from pesx.state import Evaluation
from pesx.streams import Streams
from pesx.typing import Energies, Float, Index, PerReplica, Positions, Tensor, Velocities


@dataclass(frozen=True)
class Motion:
    """Replicas on their way; positions and velocities in float64, whatever the precision of the forces.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom.
        velocities: Angstrom/fs; behind the positions by ``lag``.
        lag: Part of a time step by which the velocities are behind: 0 at the start, one half after every step.
        kT: Thermal energy of the thermostat, eV; 0 where there is none.
        replica: Number of each replica in its run, which names its random numbers; always on the CPU.
        n_steps: Steps done, which name them too; always on the CPU, so that looking at it does not wait for a GPU.
    """

    positions: Positions
    velocities: Velocities
    lag: PerReplica
    kT: PerReplica  # noqa: N815  the thermal energy is written so in the field
    replica: Index
    n_steps: Index

    @classmethod
    def at_rest(cls, positions: Positions) -> Self:
        """Return replicas that do not move yet, numbered from 0."""
        zeros = torch.zeros(len(positions), dtype=positions.dtype, device=positions.device)
        return cls(
            positions=positions,
            velocities=torch.zeros_like(positions),
            lag=zeros,
            kT=zeros,
            replica=torch.arange(len(positions)),
            n_steps=torch.zeros(len(positions), dtype=torch.int64),
        )


M = TypeVar("M", bound=StepperState)


class Integrator(Protocol[M]):
    """A stepper (see :class:`~pesx.protocols.Stepper`) that can bring velocities to the time of the positions."""

    @property
    def masses(self) -> Float[Tensor, "N"]:
        """Of the atoms, in eV fs^2/angstrom^2."""
        ...

    @property
    def timestep(self) -> float:
        """In fs."""
        ...

    @property
    def is_free(self) -> bool:
        """Whether momentum and angular momentum are kept at zero."""
        ...

    def init(self, positions: Positions) -> M:
        """Return replicas at rest."""
        ...

    def complete(self, state: M, now: Evaluation) -> M:
        """Return the same time with the velocities no longer behind the positions."""
        ...

    def step(self, state: M, now: Evaluation) -> M:
        """Return the next state, given the evaluation at ``state.positions``."""
        ...

    def conserved(self, state: M, now: Evaluation) -> Energies | None:
        """Return what the exact motion would conserve, eV, for a state that is complete; None where there is nothing."""
        ...


def kicked(velocities: Velocities, forces: Tensor, masses: Float[Tensor, "N"], time: float | PerReplica) -> Velocities:
    """Return velocities after forces have acted for a time, in fs; summed in the precision of the velocities."""
    duration = time[:, None, None] if isinstance(time, torch.Tensor) else time
    after: Velocities = velocities + duration * (forces.to(velocities.dtype) / masses.to(velocities)[:, None])
    return after


def kinetic_energy(velocities: Velocities, masses: Float[Tensor, "N"]) -> Energies:
    """Return the kinetic energy of each replica, eV."""
    energy: Energies = 0.5 * (masses.to(velocities)[:, None] * velocities**2).sum(dim=(1, 2))
    return energy


def thermal_velocities(
    positions: Positions,
    masses: Float[Tensor, "N"],
    kT: PerReplica,  # noqa: N803  the thermal energy is written so in the field
    streams: Streams,
    *,
    is_free: bool = True,
) -> Velocities:
    """Draw velocities of the Maxwell-Boltzmann distribution.

    Args:
        positions: Of the replicas, angstrom.
        masses: In eV fs^2/angstrom^2.
        kT: Thermal energy of each replica, eV.
        streams: One per replica.
        is_free: Whether to take out momentum and angular momentum; what is left has kT/2 in each of 3N-6 degrees of freedom.
    """
    draws = streams.normal(*positions.shape[1:]).to(positions)
    velocities = torch.sqrt(kT.to(positions)[:, None, None] / masses.to(positions)[:, None]) * draws
    return Rigid.of(positions, masses).removed_from(velocities) if is_free else velocities


__all__ = ["Integrator", "Motion", "kicked", "kinetic_energy", "thermal_velocities"]
