import pytest
import torch

from pesx.errors import ConfigError
from pesx.relax.fire import Fire
from pesx.state import Evaluation


def constant_pull(n_replicas, force):
    forces = torch.zeros(n_replicas, 1, 3, dtype=torch.float64)
    forces[:, 0, 0] = force
    return Evaluation(torch.zeros(n_replicas, dtype=torch.float64), forces)


def test_the_clock_of_a_replica_is_its_own():
    fire = Fire(n_delay=2)
    state = fire.init(torch.zeros(2, 1, 3, dtype=torch.float64))
    pull = constant_pull(2, 0.1)
    for _ in range(8):
        state = fire.step(state, pull)
        # The second replica is pulled back and forth.
        pull = Evaluation(pull.energy, pull.forces * torch.tensor([1.0, -1.0], dtype=torch.float64)[:, None, None])
    assert state.dt[0] > fire.dt > state.dt[1]
    assert state.alpha[0] < fire.alpha == state.alpha[1]
    assert state.n_downhill[0] > 0


@pytest.mark.parametrize("force", [1.0, 1e6, 1e30])
def test_no_atom_moves_farther_than_allowed(force):
    fire = Fire(max_step=0.05)
    state = fire.init(torch.zeros(1, 1, 3, dtype=torch.float64))
    for _ in range(30):
        after = fire.step(state, constant_pull(1, force))
        assert 0.0 < (after.positions - state.positions).norm() <= 0.05 + 1e-12
        state = after


def test_an_atom_without_force_stays():
    fire = Fire()
    state = fire.init(torch.ones(1, 1, 3, dtype=torch.float64))
    for _ in range(5):
        state = fire.step(state, constant_pull(1, 0.0))
    assert torch.equal(state.positions, torch.ones(1, 1, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    "wrong", [{"dt": 2.0}, {"dt_min": 0.0}, {"max_step": 0.0}, {"grow": 0.9}, {"shrink": 0.0}, {"n_delay": -1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Fire(**wrong)
