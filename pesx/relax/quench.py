"""When a replica is done, and the plain loop that relaxes replicas until all are."""

from dataclasses import dataclass
from typing import TypeVar

import torch

from pesx.config import require
from pesx.errors import ConfigError
from pesx.outcome import Outcome
from pesx.protocols import Potential, Stepper, StepperState
from pesx.state import Evaluation, Minima, fmax, take_rows
from pesx.typing import Index, Positions, Tensor


@dataclass(frozen=True)
class Convergence:
    """When a replica is done.

    Attributes:
        fmax: Converged when no atomic force is larger, eV/angstrom.
        max_steps: Evaluations after which a replica is given up.
        min_energy: Energy below which the potential has lost its footing, eV; minus infinity switches the test off.
        max_force: Atomic force over which a replica is given up after ``n_settle`` evaluations, eV/angstrom.
        max_radius: Distance of an atom from the centroid over which the atoms have flown apart, angstrom.
        n_settle: Evaluations allowed to a start with clashing atoms.
    """

    fmax: float = 1e-2
    max_steps: int = 1000
    min_energy: float = -1e6
    max_force: float = 1e4
    max_radius: float = 1e3
    n_settle: int = 50

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=["fmax", "max_force", "max_radius"],
            at_least_zero=["n_settle"],
            at_least_one=["max_steps"],
        )
        if not self.min_energy < 0.0:
            raise ConfigError(
                f"Expected Convergence.min_energy below 0, came {self.min_energy}. Give a negative number, or minus "
                "infinity for no limit."
            )


@torch.no_grad()
def judge(positions: Positions, now: Evaluation, n_evaluations: Index, convergence: Convergence) -> Index:
    """Return the outcome code of each replica: RUNNING, CONVERGED, OUT_OF_STEPS, NON_FINITE or RUNAWAY.

    Args:
        positions: Where the replicas were evaluated, angstrom.
        now: The evaluation there.
        n_evaluations: Evaluations each replica has had, this one included.
        convergence: When a replica is done.
    """
    largest = fmax(now.forces)
    radius = torch.linalg.vector_norm(positions - positions.mean(1, keepdim=True), dim=-1).amax(-1)
    has_settled = n_evaluations > convergence.n_settle
    is_runaway = (now.energy < convergence.min_energy) | (radius > convergence.max_radius)
    is_runaway = is_runaway | (has_settled & (largest > convergence.max_force))
    is_finite = torch.isfinite(now.energy) & torch.isfinite(largest) & torch.isfinite(radius)
    outcome = torch.where(n_evaluations >= convergence.max_steps, Outcome.OUT_OF_STEPS.value, Outcome.RUNNING.value)
    outcome = torch.where(largest <= convergence.fmax, Outcome.CONVERGED.value, outcome)
    outcome = torch.where(is_runaway, Outcome.RUNAWAY.value, outcome)
    return torch.where(is_finite, outcome, Outcome.NON_FINITE.value)


S = TypeVar("S", bound=StepperState)


def quench(
    relaxer: Stepper[S],
    potential: Potential,
    positions: Positions,
    *,
    convergence: Convergence | None = None,
    check_every: int = 5,
) -> Minima:
    """Relax replicas until each one is done, and return where each one ended, in the order given.

    Replicas that are done leave the batch. What a replica does depends on its own start alone.

    Args:
        relaxer: Any stepper that goes downhill.
        potential: Bound to the molecule; called in the dtype of the positions.
        positions: Where to start, angstrom.
        convergence: When a replica is done; None for the defaults.
        check_every: Evaluations between two looks at who is done. More are cheaper on a GPU; a replica may then go on
            for a few evaluations after it has converged.
    """
    if check_every < 1:
        raise ConfigError(f"Expected check_every of at least 1, came {check_every}. Give one or more.")
    settings = convergence or Convergence()
    rows = torch.arange(positions.shape[0], device=positions.device)
    ends: list[tuple[Tensor, Minima]] = []
    state, n_done = relaxer.init(positions), 0
    while rows.numel() > 0:
        now = potential(state.positions)
        n_done += 1
        if n_done % check_every == 0 or n_done >= settings.max_steps:
            n_evaluations = torch.full_like(rows, n_done)
            outcome = judge(state.positions, now, n_evaluations, settings)
            is_running = outcome == Outcome.RUNNING
            if not is_running.all():
                ended = Minima(state.positions, now.energy, fmax(now.forces), outcome, n_evaluations)
                ends.append((rows[~is_running], take_rows(ended, ~is_running)))
                rows, now, state = rows[is_running], take_rows(now, is_running), take_rows(state, is_running)
        state = relaxer.step(state, now)
    return _in_order(ends, positions)


def _in_order(ends: list[tuple[Tensor, Minima]], positions: Positions) -> Minima:
    n_replicas, double = positions.shape[0], torch.float64
    out = Minima(
        positions=torch.empty_like(positions, dtype=double),
        energy=positions.new_empty(n_replicas, dtype=double),
        fmax=positions.new_empty(n_replicas, dtype=double),
        outcome=positions.new_empty(n_replicas, dtype=torch.int64),
        n_evaluations=positions.new_empty(n_replicas, dtype=torch.int64),
    )
    for rows, ended in ends:
        for name in ("positions", "energy", "fmax", "outcome", "n_evaluations"):
            value: Tensor = getattr(ended, name)
            getattr(out, name)[rows] = value.to(getattr(out, name).dtype)
    return out
