from dataclasses import replace

import pytest
import torch

from pesx.errors import ConfigError
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.relax.modes import hessian, modes
from pesx.relax.quench import Convergence
from pesx.saddles.follow import Follow
from pesx.saddles.search import follow
from pesx.state import Evaluation, cat_rows, put_rows, take_rows

SADDLES = torch.tensor([[-0.822001559, 0.624312803, 0.0], [0.212486582, 0.292988325, 0.0]], dtype=torch.float64)
ON_SURFACE = Follow(
    coordinates=(0, 1), fmax=1e-6, max_step=0.1, first_step=0.05, stiffness=2000.0, displacement=1e-5, jitter=0.0
)
ON_CLUSTER = Follow(fmax=1e-9, max_step=0.3, first_step=0.1, stiffness=100.0, displacement=1e-5, index_tolerance=1e-3)
LIMITS = Convergence(max_steps=150, max_radius=20.0)
LJ6 = [-12.079031, -11.630307, -11.334033]


def octahedra(n, seed=0):
    """Octahedra, far enough from the minimum for it to have modes to climb."""
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double() * 0.79
    return octahedron + 0.12 * torch.randn(n, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def found():
    starts = octahedra(8)
    return follow(
        ON_CLUSTER, LennardJones(), ON_CLUSTER.init(starts, second=LennardJones().hessian(starts)), limits=LIMITS
    )


def test_both_saddles_of_the_surface_to_many_digits():
    starts = SADDLES[:, None] + torch.tensor([[[0.06, -0.08, 0.0]]]).double()
    found = follow(ON_SURFACE, MullerBrown(), ON_SURFACE.init(starts))
    assert found.outcome.tolist() == [Outcome.CONVERGED] * 2
    torch.testing.assert_close(found.positions[:, 0], SADDLES, rtol=0, atol=1e-7)
    torch.testing.assert_close(
        found.energy, torch.tensor([-40.66484351, -72.24894011], dtype=torch.float64), rtol=0, atol=1e-6
    )
    assert found.n_evaluations.amax() < 30


def test_saddles_of_a_cluster_are_known_ones_of_index_one(found):
    ok = found.outcome == Outcome.CONVERGED
    assert ok.sum() >= 6
    off = (found.energy[ok, None] - torch.tensor(LJ6, dtype=torch.float64)).abs().amin(dim=1)
    assert off.amax() < 1e-6
    assert found.fmax[ok].amax() <= 1e-9


def test_curvatures_are_those_of_the_exact_hessian(found):
    ok = found.outcome == Outcome.CONVERGED
    exact = modes(LennardJones(), found.positions[ok])
    assert exact.n_negative.tolist() == [1] * int(ok.sum())
    torch.testing.assert_close(found.curvature[ok], exact.lowest, rtol=1e-2, atol=1e-2)
    overlap = (found.mode[ok] * exact.direction).flatten(1).sum(dim=1).abs()
    assert overlap.amin() > 0.99
    assert (found.following[ok] > 0.0).all()


def test_a_hint_says_which_way_to_go_from_a_minimum():
    minimum = torch.tensor([[[-0.050011, 0.466694, 0.0]]]).double().expand(2, -1, -1)
    follower = Follow(coordinates=(0, 1), fmax=1e-6, max_step=0.1, first_step=0.05, stiffness=2000.0, displacement=1e-5)
    towards = SADDLES[:, None] - minimum
    starts = minimum + 0.2 * towards
    found = follow(follower, MullerBrown(), follower.init(starts, mode=towards, second=hessian(MullerBrown(), starts)))
    torch.testing.assert_close(found.positions[:, 0], SADDLES, rtol=0, atol=1e-6)


def test_a_pair_of_a_band_spares_nothing_but_is_no_harm():
    starts = SADDLES[:, None] + 0.05
    there = starts + 0.02
    fall = MullerBrown()(starts).forces - MullerBrown()(there).forces
    state = ON_SURFACE.init(starts, pair=(there - starts, fall))
    step = (there - starts).flatten(1)
    torch.testing.assert_close((state.second @ step[..., None])[..., 0], fall.flatten(1))
    assert (follow(ON_SURFACE, MullerBrown(), state).outcome == Outcome.CONVERGED).all()


def test_rows_are_the_same_alone_and_beside_one_that_is_not_finite():
    starts = octahedra(3, seed=1)
    spoilt = starts.clone()
    spoilt[1, 0, 0] = torch.nan
    limits = Convergence(max_steps=25, max_radius=20.0)
    whole = follow(ON_CLUSTER, LennardJones(), ON_CLUSTER.init(spoilt), limits=limits)
    assert whole.outcome[1] == Outcome.NON_FINITE
    for row in (0, 2):
        alone = follow(ON_CLUSTER, LennardJones(), ON_CLUSTER.init(starts[row : row + 1]), limits=limits)
        assert torch.equal(whole.positions[row], alone.positions[0])
        assert torch.equal(whole.energy[row], alone.energy[0])


def test_a_search_can_take_the_place_of_another():
    potential, starts = LennardJones(), octahedra(3, seed=2)
    state = ON_CLUSTER.init(starts[:2])
    state = ON_CLUSTER.step(state, potential(state.positions))
    fresh = ON_CLUSTER.init(starts[2:])
    mixed = put_rows(state, torch.tensor([1]), fresh)
    mixed = ON_CLUSTER.step(mixed, potential(mixed.positions))
    other = ON_CLUSTER.step(fresh, potential(fresh.positions))
    assert torch.equal(take_rows(mixed, torch.tensor([1])).positions, other.positions)
    assert len(cat_rows([mixed, ON_CLUSTER.init(starts[:0])]).positions) == 2


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"Follow\.max_step of at least first_step"):
        Follow(max_step=0.05)
    with pytest.raises(ConfigError, match=r"Follow\.tight"):
        Follow(tight=0.0)


def stretches(positions, strength=40.0):
    """A chain of three atoms with stiff bonds that nothing keeps from bending."""
    arms = positions[:, 1:] - positions[:, :-1]
    lengths = torch.linalg.vector_norm(arms, dim=2, keepdim=True)
    pulls = strength * (lengths - 1.0) * arms / lengths
    forces = torch.nn.functional.pad(pulls, (0, 0, 0, 1)) - torch.nn.functional.pad(pulls, (0, 0, 1, 0))
    return Evaluation(0.5 * strength * (lengths[:, :, 0] - 1.0).square().sum(dim=1), forces)


def stretch_guess(positions, strength=40.0):
    second = 0.01 * torch.eye(9, dtype=torch.float64).repeat(len(positions), 1, 1)
    for i in range(2):
        row = torch.zeros_like(positions)
        row[:, i + 1] = torch.nn.functional.normalize(positions[:, i + 1] - positions[:, i], dim=1)
        row[:, i] = -row[:, i + 1]
        second += strength * row.flatten(1)[:, :, None] * row.flatten(1)[:, None]
    return second


def test_a_soft_motion_on_a_circle_is_not_taken_for_a_negative_mode():
    """The forces that a straight step across it makes belong to the stretch of the bonds."""
    follower = Follow(guess=stretch_guess, jitter=0.0, max_step=0.5, first_step=0.5, max_rise=1e9)
    start = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]]).double()
    aside = torch.zeros_like(start)
    aside[0, 0, 0], aside[0, 2, 1] = 0.2, 0.2
    state = follower.step(follower.init(start), stretches(start))
    state = replace(state, positions=state.base + aside, direction=torch.zeros_like(state.direction))
    state = follower._learned(state, stretches(state.positions))
    assert torch.equal(state.base, start + aside)
    exact = hessian(stretches, state.base)
    along = aside.flatten(1) / aside.norm()
    known, wanted = ((second * along[:, None]).sum(dim=2) for second in (state.second, exact))
    assert (known - wanted).norm() < 0.3 * (stretch_guess(state.base) * along[:, None]).sum(dim=2).norm()
    assert follower.curvatures(state)[0].item() > -0.05
