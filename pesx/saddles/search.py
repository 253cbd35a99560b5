"""Where searches for transition states ended, and the plain loop that runs them until all are done."""

from dataclasses import dataclass

import torch

from pesx.outcome import Outcome
from pesx.protocols import Potential
from pesx.relax.quench import Convergence
from pesx.saddles.follow import Follow, FollowState
from pesx.state import fmax, put_rows, take_rows
from pesx.typing import Energies, Index, PerReplica, Positions


@dataclass(frozen=True)
class Saddles:
    """Where searches ended; row by row a transition state or the reason why not.

    Attributes:
        positions: Angstrom.
        energy: EV, float64.
        fmax: Largest atomic force norm, eV/angstrom.
        curvature: Lowest eigenvalue of the Hessian, eV/angstrom^2.
        following: The next eigenvalue, eV/angstrom^2; infinite where there is none.
        mode: Eigenvector of the lowest, unit norm.
        outcome: :class:`~pesx.outcome.Outcome` codes.
        n_evaluations: Force evaluations spent, products included.
    """

    positions: Positions
    energy: Energies
    fmax: PerReplica
    curvature: PerReplica
    following: PerReplica
    mode: Positions
    outcome: Index
    n_evaluations: Index


def saddles(follower: Follow, state: FollowState, outcome: Index, n_evaluations: Index) -> Saddles:
    """Return where searches are, in float64.

    Args:
        follower: Whose state it is.
        state: Of the searches.
        outcome: Codes to give them.
        n_evaluations: Force evaluations spent.
    """
    lowest, following = follower.curvatures(state)
    return Saddles(
        positions=state.base.double(),
        energy=state.energy,
        fmax=fmax(state.forces).double(),
        curvature=lowest,
        following=following,
        mode=state.mode.view_as(state.base),
        outcome=outcome,
        n_evaluations=n_evaluations,
    )


@torch.no_grad()
def follow(follower: Follow, potential: Potential, state: FollowState, *, limits: Convergence | None = None) -> Saddles:
    """Go on with searches until each is done; return where each ended, in the order given.

    Searches that are done leave the batch. What a search does depends on its own start alone.

    Args:
        follower: How.
        potential: Bound to the molecule; called in the dtype of the positions.
        state: From :meth:`Follow.init`.
        limits: When a search is given up; its ``fmax`` is not used. None for 200 evaluations.
    """
    limits = limits or Convergence(max_steps=200)
    rows = torch.arange(len(state.positions), device=state.positions.device)
    out, n_done = saddles(follower, state, torch.zeros_like(rows), torch.zeros_like(rows)), 0
    while rows.numel() > 0:
        now = potential(state.positions)
        n_done += 1
        state = follower.step(state, now)
        n_evaluations = torch.full_like(rows, n_done)
        outcome = follower.outcome(state, now, n_evaluations, limits)
        is_running = outcome == Outcome.RUNNING
        if not is_running.all():
            ended = take_rows(saddles(follower, state, outcome, n_evaluations), ~is_running)
            out = put_rows(out, rows[~is_running], ended)
            rows, state = rows[is_running], take_rows(state, is_running)
    return out


__all__ = ["Saddles", "follow", "saddles"]
