"""Leave a minimum along a soft direction: the escape step of minima hopping.

Softening bends a random direction towards low curvature by a few dimer-like iterations; then short constant-energy dynamics
runs along it until the potential energy has passed a few minima, which means that barriers were crossed. Sources: Goedecker
2004, doi:10.1063/1.1724816; Schönborn et al. 2009, doi:10.1063/1.3097197.

All atoms have the same mass, 1: only the path matters, not the clock, and light hydrogens would only shorten the time step.
Time is then in units of angstrom / sqrt(eV), and the time step follows from the largest curvature that softening met, so the
same settings serve any potential.
"""

from dataclasses import dataclass, replace

import torch

from pesx.config import require
from pesx.errors import ConfigError
from pesx.outcome import Outcome
from pesx.state import Evaluation
from pesx.typing import Energies, Forces, Index, PerReplica, Positions, Tensor, Velocities


@dataclass(frozen=True)
class EscapeState:
    """Replicas on their way out of a minimum.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom.
        anchor: The minimum, angstrom.
        direction: Unit vector along which to leave.
        velocities: At the half step before ``positions``, angstrom in natural time.
        kinetic: Kinetic energy to start with, eV.
        curvature: Largest |H v| met while softening, eV/angstrom^2.
        energy: Potential energy of the evaluation before, eV.
        previous_energy: Of the one before that, eV.
        n_steps: Evaluations so far.
        n_minima: Minima of the potential energy passed so far.
        outcome: RUNNING, or CONVERGED once enough minima were passed (or the steps are used up).
    """

    positions: Positions
    anchor: Positions
    direction: Velocities
    velocities: Velocities
    kinetic: PerReplica
    curvature: PerReplica
    energy: Energies
    previous_energy: Energies
    n_steps: Index
    n_minima: Index
    outcome: Index


@dataclass(frozen=True)
class Escape:
    """Softening, then short dynamics (a :class:`~pesx.protocols.Stepper`).

    Attributes:
        n_soften: Iterations of softening.
        displacement: How far from the minimum the curvature is felt, angstrom.
        n_minima: Minima of the potential energy to pass.
        max_steps: Most steps of dynamics.
        courant: Time step times the highest frequency met; below about 0.6 the dynamics keeps its energy.
    """

    n_soften: int = 12
    displacement: float = 0.05
    n_minima: int = 2
    max_steps: int = 150
    courant: float = 0.45

    def __post_init__(self) -> None:
        require(self, above_zero=["displacement", "courant"], at_least_one=["n_soften", "n_minima", "max_steps"])
        if not self.courant < 2:
            raise ConfigError(
                f"Expected Escape.courant below 2, came {self.courant}. Give less, or the dynamics is not stable."
            )

    def init(self, positions: Positions) -> EscapeState:
        """Start at rest with no direction; use :meth:`launch` to set off."""
        zeros = torch.zeros(len(positions), dtype=positions.dtype, device=positions.device)
        counts = torch.zeros(len(positions), dtype=torch.long, device=positions.device)
        return EscapeState(
            positions=positions,
            anchor=positions,
            direction=torch.zeros_like(positions),
            velocities=torch.zeros_like(positions),
            kinetic=zeros,
            curvature=zeros,
            energy=zeros.double(),
            previous_energy=zeros.double(),
            n_steps=counts,
            n_minima=counts,
            outcome=torch.full_like(counts, Outcome.RUNNING),
        )

    def launch(self, positions: Positions, velocities: Velocities, kinetic: PerReplica) -> EscapeState:
        """Start from minima along given directions.

        Args:
            positions: The minima, angstrom.
            velocities: Directions to start softening from; only their direction matters.
            kinetic: Kinetic energy of the dynamics, eV.
        """
        direction = _unit(_without_rigid(positions, velocities.to(positions)))
        return replace(
            self.init(positions),
            positions=positions + self.displacement * direction,
            direction=direction,
            kinetic=kinetic.to(positions),
        )

    def step(self, state: EscapeState, now: Evaluation) -> EscapeState:
        """Return the next state, given the evaluation at ``state.positions``."""
        is_softening = state.n_steps < self.n_soften
        soft = self._soften(state, now.forces)
        move = self._move(state, now)
        positions = _where(is_softening, soft.positions, move.positions)
        return replace(
            move,
            positions=positions,
            direction=_where(is_softening, soft.direction, state.direction),
            velocities=_where(is_softening, soft.velocities, move.velocities),
            curvature=torch.where(is_softening, soft.curvature, state.curvature),
            n_steps=state.n_steps + 1,
            n_minima=torch.where(is_softening, state.n_minima, move.n_minima),
            outcome=torch.where(is_softening, state.outcome, move.outcome),
        )

    def _soften(self, state: EscapeState, forces: Forces) -> EscapeState:
        """Turn the direction towards lower curvature; after the last time, set off along it."""
        bend = forces / self.displacement
        curvature = torch.maximum(state.curvature, torch.linalg.vector_norm(bend.flatten(1), dim=1))
        along = (bend * state.direction).sum(dim=(1, 2), keepdim=True)
        # 1/curvature would be the step of steepest descent on the Rayleigh quotient if the random direction had met the
        # stiffest mode alone; it met a mixture, so the true largest curvature is up to a few times what was felt.
        step = 0.4 / curvature.clamp(min=1e-12)
        turned = state.direction + step[:, None, None] * (bend - along * state.direction)
        direction = _unit(_without_rigid(state.anchor, turned))
        is_last = state.n_steps == self.n_soften - 1
        speed = torch.sqrt(2 * state.kinetic)
        velocities = speed[:, None, None] * direction
        away = self._time_step(curvature)[:, None, None] * velocities
        positions = state.anchor + _where(is_last, away, self.displacement * direction)
        return replace(state, positions=positions, direction=direction, velocities=velocities, curvature=curvature)

    def _move(self, state: EscapeState, now: Evaluation) -> EscapeState:
        """One step of leapfrog; count the minima of the potential energy on the way."""
        dt = self._time_step(state.curvature)[:, None, None]
        velocities = state.velocities + dt * now.forces
        n_moves = state.n_steps - self.n_soften
        is_valley = (state.energy < state.previous_energy) & (state.energy <= now.energy) & (n_moves >= 2)
        n_minima = state.n_minima + is_valley.long()
        is_over = (n_minima >= self.n_minima) | (n_moves + 1 >= self.max_steps) | ~torch.isfinite(now.energy)
        is_done = is_over | (state.outcome != Outcome.RUNNING)
        return replace(
            state,
            positions=_where(is_done, state.positions, state.positions + dt * velocities),
            velocities=velocities,
            energy=now.energy.double(),
            previous_energy=state.energy,
            n_minima=n_minima,
            outcome=torch.where(is_done, Outcome.CONVERGED, state.outcome),
        )

    def _time_step(self, curvature: PerReplica) -> PerReplica:
        """Return the time step from the largest curvature met.

        What softening feels is a mean over modes of the random start; twice that is near the stiffest mode.
        """
        dt: PerReplica = self.courant / torch.sqrt(2 * curvature.clamp(min=1e-12))
        return dt


def _where(mask: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.where(mask[:, None, None], a, b)


def _unit(vectors: Velocities) -> Velocities:
    norm = torch.linalg.vector_norm(vectors.flatten(1), dim=1).clamp(min=1e-30)
    unit: Velocities = vectors / norm[:, None, None]
    return unit


def _without_rigid(positions: Positions, velocities: Velocities) -> Velocities:
    """Take out the motion of the centre and the rotation about it; a single atom moves on a fixed surface and keeps both."""
    if positions.shape[1] == 1:
        return velocities
    centred = positions - positions.mean(dim=1, keepdim=True)
    velocities = velocities - velocities.mean(dim=1, keepdim=True)
    momentum = torch.linalg.cross(centred, velocities).sum(dim=1)
    squared = (centred**2).sum(dim=-1)
    eye = torch.eye(3, dtype=positions.dtype, device=positions.device)
    outer = centred[..., :, None] * centred[..., None, :]
    inertia = (squared[..., None, None] * eye - outer).sum(dim=1)
    # A linear replica has a singular inertia tensor and no momentum about its axis: any small number there will do.
    inertia = inertia + torch.finfo(inertia.dtype).eps * squared.sum(dim=1)[:, None, None] * eye
    a, b, c = inertia.unbind(dim=2)
    # Cramer's rule rounds alike in every batch, which a batched factorisation does not.
    adjugate = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=1)
    determinant = (a * adjugate[:, 0]).sum(dim=1)
    omega = (adjugate * momentum[:, None, :]).sum(dim=2) / determinant[:, None]
    spin: Tensor = torch.linalg.cross(omega[:, None, :].expand_as(centred), centred)
    return velocities - spin
