import pytest
import torch

from pesx.errors import ConfigError
from pesx.relax.staged import Staged
from pesx.state import Evaluation


def pull(*sizes):
    forces = torch.zeros(len(sizes), 1, 3, dtype=torch.float64)
    forces[:, 0, 0] = torch.tensor(sizes, dtype=torch.float64)
    return Evaluation(-forces.sum((1, 2)), forces)


def test_replicas_change_over_one_by_one_and_go_back_only_on_trouble():
    staged = Staged(switch=1.0)
    state = staged.init(torch.zeros(3, 1, 3, dtype=torch.float64))
    state = staged.step(state, pull(0.5, 2.0, 2.0))
    assert state.is_fine.tolist() == [True, False, False]
    state = staged.step(state, pull(2.0, 0.5, 2.0))
    assert state.is_fine.tolist() == [True, True, False]
    state = staged.step(state, pull(20.0, 0.5, 2.0))
    assert state.is_fine.tolist() == [False, True, False]


def test_a_replica_follows_the_relaxer_of_its_stage():
    staged = Staged(switch=1.0)
    start = torch.zeros(2, 1, 3, dtype=torch.float64)
    now = pull(0.5, 2.0)
    state = staged.step(staged.init(start), now)
    assert torch.equal(state.positions[0], staged.fine.step(staged.fine.init(start), now).positions[0])
    assert torch.equal(state.positions[1], staged.rough.step(staged.rough.init(start), now).positions[1])


def test_a_switch_of_zero_is_refused():
    with pytest.raises(ConfigError, match="switch"):
        Staged(switch=0.0)
