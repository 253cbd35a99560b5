import pytest
import torch

from pesx.errors import ConfigError
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, judge, quench
from pesx.state import Evaluation


def starts(n_replicas):
    generator = torch.Generator().manual_seed(5)
    return 1.2 * torch.randn(n_replicas, 13, 3, dtype=torch.float64, generator=generator)


def judged(energy, force, *, n_evaluations=10, spread=1.0, **settings):
    positions = torch.tensor([[[0.0, 0.0, 0.0], [spread, 0.0, 0.0]]], dtype=torch.float64)
    forces = torch.tensor([[[force, 0.0, 0.0], [-force, 0.0, 0.0]]], dtype=torch.float64)
    now = Evaluation(torch.tensor([energy], dtype=torch.float64), forces)
    return Outcome(judge(positions, now, torch.tensor([n_evaluations]), Convergence(**settings)).item())


def test_each_end_has_its_outcome():
    assert judged(-1.0, 0.5) is Outcome.RUNNING
    assert judged(-1.0, 0.5, fmax=0.5) is Outcome.CONVERGED
    assert judged(-1.0, 0.5, max_steps=10) is Outcome.OUT_OF_STEPS
    assert judged(-1.0, 0.001, max_steps=10) is Outcome.CONVERGED
    assert judged(torch.nan, 0.5) is Outcome.NON_FINITE
    assert judged(-1.0, torch.inf) is Outcome.NON_FINITE
    assert judged(-1.0, 0.5, spread=torch.nan) is Outcome.NON_FINITE
    assert judged(-1e9, 0.001) is Outcome.RUNAWAY
    assert judged(-1.0, 0.001, spread=1e4) is Outcome.RUNAWAY
    assert judged(-1.0, 1e5) is Outcome.RUNNING
    assert judged(-1.0, 1e5, n_evaluations=51) is Outcome.RUNAWAY


def test_rows_come_back_in_order_with_honest_numbers():
    positions = starts(16)
    whole = quench(Lbfgs(), LennardJones(), positions, convergence=Convergence(fmax=1e-4))
    assert len(whole.n_evaluations.unique()) > 3
    for row in (0, 7, 15):
        alone = quench(Lbfgs(), LennardJones(), positions[row : row + 1], convergence=Convergence(fmax=1e-4))
        assert torch.equal(alone.positions[0], whole.positions[row])
        assert alone.n_evaluations[0] == whole.n_evaluations[row]
    now = LennardJones()(whole.positions)
    assert torch.equal(now.energy, whole.energy)
    assert (now.forces.norm(dim=-1).amax(-1) <= 1e-4).all()


def test_evaluations_are_those_made():
    calls = []

    def counting(positions):
        calls.append(len(positions))
        return LennardJones()(positions)

    found = quench(Lbfgs(), counting, starts(8), convergence=Convergence(fmax=1e-3), check_every=3)
    assert found.n_evaluations.sum() == sum(calls)
    assert (found.n_evaluations % 3 == 0).all()


def test_a_bad_start_does_not_touch_the_others():
    positions = starts(6)
    clean = quench(Lbfgs(), LennardJones(), positions, convergence=Convergence(fmax=1e-4))
    positions[2, 0] = torch.nan
    found = quench(Lbfgs(), LennardJones(), positions, convergence=Convergence(fmax=1e-4))
    assert found.outcome[2] == Outcome.NON_FINITE
    others = torch.arange(6) != 2
    assert torch.equal(found.positions[others], clean.positions[others])


def test_steps_run_out_exactly():
    found = quench(Lbfgs(), LennardJones(), starts(3), convergence=Convergence(fmax=1e-9, max_steps=7))
    assert found.outcome.tolist() == [Outcome.OUT_OF_STEPS] * 3
    assert found.n_evaluations.tolist() == [7] * 3


def test_no_replicas_give_no_minima():
    found = quench(Lbfgs(), LennardJones(), torch.zeros(0, 4, 3))
    assert found.positions.shape == (0, 4, 3)


@pytest.mark.parametrize(
    "wrong",
    [{"fmax": 0.0}, {"max_steps": 0}, {"max_force": -1.0}, {"max_radius": 0.0}, {"n_settle": -1}, {"min_energy": 1.0}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Convergence(**wrong)
