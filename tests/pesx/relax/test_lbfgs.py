import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from pesx.errors import ConfigError
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench
from pesx.state import Evaluation


def bowl(n_atoms, seed=0, condition=30.0):
    """A quadratic energy with eigenvalues from 1 to ``condition``."""
    generator = torch.Generator().manual_seed(seed)
    n = 3 * n_atoms
    vectors, _ = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))
    matrix = vectors @ torch.diag(torch.logspace(0, np.log10(condition), n, dtype=torch.float64)) @ vectors.T

    def potential(positions):
        x = positions.flatten(1)
        slope = x @ matrix
        return Evaluation(0.5 * (x * slope).sum(-1), -slope.view_as(positions))

    return potential


def two_loops(forces, history, gamma):
    """The quasi-Newton step in its textbook form, oldest pair first."""
    q, alphas = forces.clone(), []
    for s, y in reversed(history):
        alphas.append(s @ q / (s @ y))
        q = q - alphas[-1] * y
    q = gamma * q
    for (s, y), alpha in zip(history, reversed(alphas), strict=True):
        q = q + (alpha - y @ q / (s @ y)) * s
    return q


def test_the_step_is_that_of_the_two_loop_recursion():
    memory, lbfgs = 4, Lbfgs(memory=4, max_step=1e3, stiffness=20.0)
    potential = bowl(3)
    start = torch.randn(2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    state = lbfgs.init(start)
    places, forces = [], []
    for _ in range(9):
        now = potential(state.positions)
        places.append(state.positions)
        forces.append(now.forces)
        state = lbfgs.step(state, now)
        if len(places) < 2:
            continue
        for row in range(2):
            x, f = ([value[row].flatten() for value in values] for values in (places, forces))
            history = [(x[k + 1] - x[k], f[k] - f[k + 1]) for k in range(len(x) - 1)][-memory:]
            s, y = history[-1]
            expected = two_loops(f[-1], history, (s @ y) / (y @ y))
            taken = (state.positions[row] - places[-1][row]).flatten()
            torch.testing.assert_close(taken, expected, rtol=1e-6, atol=1e-10)
    assert (state.n_refused == 0).all()


def test_every_step_of_a_clash_is_capped():
    lbfgs = Lbfgs(max_step=0.1)
    positions = 0.3 * torch.randn(16, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    state = lbfgs.init(positions)
    for _ in range(30):
        state = lbfgs.step(state, LennardJones()(state.positions))
        assert (state.positions - state.base).norm(dim=-1).max() <= 0.1 + 1e-12


def test_a_step_uphill_is_taken_back_and_shortened():
    lbfgs = Lbfgs()
    state = lbfgs.init(torch.zeros(1, 2, 3, dtype=torch.float64))
    forces = torch.ones(1, 2, 3, dtype=torch.float64)
    state = lbfgs.step(state, Evaluation(torch.zeros(1, dtype=torch.float64), forces))
    tried = state.positions.norm(dim=-1).max()
    for bad in (1.0, torch.nan, torch.inf):
        energy = torch.full((1,), bad, dtype=torch.float64)
        refused = lbfgs.step(state, Evaluation(energy, -5.0 * forces))
        assert torch.equal(refused.base, torch.zeros(1, 2, 3, dtype=torch.float64))
        assert refused.positions.norm(dim=-1).max() == pytest.approx(0.25 * tried)
        assert (refused.positions > 0).all()


def test_pairs_of_negative_curvature_are_not_remembered():
    lbfgs = Lbfgs()
    state = lbfgs.init(torch.full((1, 1, 3), 0.1, dtype=torch.float64))
    for _ in range(6):
        # A hilltop at the origin: forces grow along the way down.
        forces = 3.0 * state.positions
        state = lbfgs.step(state, Evaluation(-0.5 * (state.positions * forces).sum((1, 2)), forces))
    assert torch.equal(state.inverse, torch.zeros_like(state.inverse))
    assert (state.positions > 0.1).all()


def test_it_needs_no_more_evaluations_than_scipy():
    lj = LennardJones()
    generator = torch.Generator().manual_seed(4)
    positions = 1.2 * torch.randn(24, 13, 3, dtype=torch.float64, generator=generator)
    # Both start from structures without clashes.
    positions = quench(Lbfgs(), lj, positions, convergence=Convergence(fmax=20.0)).positions
    convergence = Convergence(fmax=1e-5, max_steps=2000)
    ours = quench(Lbfgs(), lj, positions, convergence=convergence, check_every=1).n_evaluations

    def function(x):
        now = lj(torch.from_numpy(x).view(1, 13, 3))
        return now.energy.item(), -now.forces.flatten().numpy()

    options = {"maxcor": 10, "gtol": 1e-5, "ftol": 0.0, "maxiter": 2000, "maxfun": 5000}
    theirs = [
        minimize(function, x.flatten().numpy(), jac=True, method="L-BFGS-B", options=options).nfev for x in positions
    ]
    assert ours.double().mean() <= 1.1 * np.mean(theirs)


@pytest.mark.parametrize("wrong", [{"memory": 1}, {"max_step": 0.0}, {"stiffness": -1.0}, {"max_rise": -1e-3}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Lbfgs(**wrong)
