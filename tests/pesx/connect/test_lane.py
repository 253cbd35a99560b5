from dataclasses import dataclass, replace

import torch

from pesx.connect.lane import Lane, Rows
from pesx.outcome import Outcome
from pesx.state import Evaluation
from pesx.typing import Index, Tensor


@dataclass(frozen=True)
class Walk:
    """Rows of two places each, which move by one at every step."""

    places: Tensor

    @property
    def positions(self) -> Tensor:
        return self.places.flatten(0, 1)


def step(state: Walk, _: Evaluation) -> Walk:
    return replace(state, places=state.places + 1.0)


def after(rows: Rows) -> Index:
    """A row is done after as many steps as its job says."""
    return torch.where(rows.n_steps >= rows.job, int(Outcome.CONVERGED), int(Outcome.RUNNING))


def evaluated(lane: Lane) -> Evaluation:
    return Evaluation(lane.positions.sum(dim=(1, 2)), -lane.positions)


def test_what_is_done_leaves_and_what_waits_comes_in():
    lane = Lane(step, 3, after)
    assert len(lane) == 0
    lane.put(torch.tensor([1, 3]), Walk(torch.zeros(2, 2, 1, 3)))
    assert (len(lane), lane.n_free) == (2, 1)
    done, outcome = lane.advance(evaluated(lane))
    assert done.job.tolist() == [1]
    assert outcome.tolist() == [Outcome.CONVERGED]
    assert done.seen.shape == (1, 2, 1, 3)
    lane.put(torch.tensor([2]), Walk(torch.full((1, 2, 1, 3), 5.0)))
    for _ in range(2):
        done, _ = lane.advance(evaluated(lane))
    assert sorted(done.job.tolist()) == [2, 3]
    assert len(lane) == 0


def test_rows_remember_where_they_were_evaluated_and_what_it_gave():
    lane = Lane(step, 2, after)
    lane.put(torch.tensor([2]), Walk(torch.ones(1, 2, 1, 3)))
    lane.advance(evaluated(lane))
    done, _ = lane.advance(evaluated(lane))
    assert torch.equal(done.seen, torch.full((1, 2, 1, 3), 2.0))
    assert torch.equal(done.energy, torch.full((1, 2), 6.0, dtype=torch.float64))
    assert torch.equal(done.forces, -done.seen)
    assert torch.equal(done.state.places, torch.full((1, 2, 1, 3), 3.0))


def test_nothing_put_in_is_nothing():
    lane = Lane(step, 2, after)
    lane.put(torch.tensor([], dtype=torch.long), Walk(torch.zeros(0, 2, 1, 3)))
    assert len(lane) == 0
