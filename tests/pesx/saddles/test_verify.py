import pytest
import torch

from pesx.geometry.align import superpose
from pesx.geometry.interpolate import by_distances, by_torsions, straight
from pesx.geometry.torsion import rotate_about_bond, torsion_angles
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.modes import modes
from pesx.relax.quench import Convergence, quench
from pesx.saddles.band import Band, candidates, relax_bands
from pesx.saddles.follow import Follow
from pesx.saddles.search import follow
from pesx.saddles.verify import Descent, verify
from pesx.state import Evaluation, take_rows

MINIMA = torch.tensor([[-0.558224, 1.441726, 0.0], [-0.050011, 0.466694, 0.0], [0.623499, 0.028038, 0.0]]).double()
QUADS = torch.tensor([[0, 1, 2, 3]])
ROTOR = {"bonds": torch.tensor([[1, 2]]), "moving": torch.tensor([[False, False, True, True]]), "quads": QUADS}


def test_bands_between_the_minima_of_the_surface_find_both_saddles_and_both_ends():
    potential = MullerBrown()
    first, last = MINIMA[[0, 1], None], MINIMA[[1, 2], None]
    ends = torch.stack([potential(first).energy, potential(last).energy], dim=1)
    band = Band(Lbfgs(memory=5, max_step=0.1, stiffness=2000.0), fmax=20.0)
    tops = candidates(relax_bands(band, potential, straight(first, last, n_images=7), ends)[0])
    follower = Follow(coordinates=(0, 1), fmax=1e-6, max_step=0.1, first_step=0.05, stiffness=2000.0, displacement=1e-5)
    state = follower.init(tops.positions, mode=tops.tangent, pair=(tops.step, tops.fall))
    saddle = follow(follower, potential, state)
    saddles = torch.tensor([[-0.822002, 0.624313, 0.0], [0.212487, 0.292988, 0.0]]).double()
    torch.testing.assert_close(saddle.positions[:, 0], saddles, rtol=0, atol=1e-5)
    relaxer = Lbfgs(memory=5, max_step=0.05, stiffness=2000.0, max_rise=1e-9)
    descent = Descent(relaxer, Convergence(fmax=1e-6, max_steps=500), push=0.02)
    found = verify(descent, potential, saddle)
    assert found.outcome.tolist() == [Outcome.CONVERGED] * 2
    both = torch.stack([found.first.positions[:, 0], found.second.positions[:, 0]], dim=1)
    both = torch.stack([row[row[:, 0].argsort()] for row in both])
    torch.testing.assert_close(both, torch.stack([MINIMA[:2], MINIMA[1:]]), rtol=0, atol=1e-5)
    cost = saddle.n_evaluations + found.first.n_evaluations + found.second.n_evaluations
    assert torch.equal(found.n_evaluations, cost)


class Chain:
    """Four atoms with the torsion potential of butane (trans, two gauche, no field); springs for the rest."""

    def __call__(self, positions):
        with torch.enable_grad():
            x = positions.detach().requires_grad_()
            turn = torsion_angles(x, QUADS)[:, 0]
            energy = 0.08 * (1.0 + torch.cos(turn)) + 0.07 * (1.0 + torch.cos(3.0 * turn))
            energy = energy + 10.0 * ((x[:, 1:] - x[:, :-1]).norm(dim=2) - 1.53).square().sum(dim=1)
            energy = energy + 5.0 * ((x[:, 2:] - x[:, :-2]).norm(dim=2) - 2.55).square().sum(dim=1)
            return Evaluation(energy.detach(), -torch.autograd.grad(energy.sum(), x)[0])


def test_the_ring_of_butane_has_three_transition_states():
    flat = torch.tensor([[-0.53, 1.43, 0.0], [0.0, 0.0, 0.0], [1.53, 0.0, 0.0], [2.06, 1.43, 0.0]]).double()
    turns = torch.tensor([180.0, 65.0, -65.0]).double().deg2rad()
    starts = rotate_about_bond(flat.expand(3, -1, -1), ROTOR["bonds"][0], ROTOR["moving"][0], turns)
    relaxer = Lbfgs(max_rise=1e-9)
    down = Convergence(fmax=1e-6, max_steps=500)
    minima = quench(relaxer, Chain(), starts, convergence=down)
    first, last = take_rows(minima, torch.tensor([0, 1, 2])), take_rows(minima, torch.tensor([1, 2, 0]))
    path = by_torsions(first.positions, last.positions, n_images=7, **ROTOR)
    tops = candidates(relax_bands(Band(), Chain(), path, torch.stack([first.energy, last.energy], dim=1))[0])
    assert tops.band.tolist() == [0, 1, 2]
    follower = Follow(stiffness=5.0, fmax=1e-6, index_tolerance=1e-3)
    saddle = follow(follower, Chain(), follower.init(tops.positions, mode=tops.tangent, pair=(tops.step, tops.fall)))
    found = verify(Descent(relaxer, down), Chain(), saddle, modes_of=lambda at: modes(Chain(), at, tolerance=1e-4))
    assert found.outcome.tolist() == [Outcome.CONVERGED] * 3
    angles = torsion_angles(saddle.positions, QUADS)[:, 0].rad2deg()
    assert 100.0 < angles[0] < 140.0
    assert abs(angles[1]) < 1.0
    assert -140.0 < angles[2] < -100.0
    joined = torch.stack([torsion_angles(end.positions, QUADS)[:, 0].rad2deg() for end in (found.first, found.second)])
    classes = torch.div(torch.remainder(joined, 360.0), 120.0, rounding_mode="floor").long()
    assert [sorted(pair) for pair in classes.T.tolist()] == [[0, 1], [0, 2], [1, 2]]


def at_lj_stationary_point(positions):
    follower = Follow()
    state = follower.init(positions)
    found = follow(follower, LennardJones(), state, limits=Convergence(max_steps=1))
    return found, torch.full_like(found.outcome, Outcome.CONVERGED.value)


def test_a_point_with_two_negative_modes_is_refused_and_costs_no_way_down():
    line = torch.tensor(
        [[[-1.0, 0, 0], [0, 0, 0], [1.0, 0, 0]], [[0.0, 0, 0], [1.12246205, 0, 0], [0.561231, 0.97208, 0]]]
    )
    found, converged = at_lj_stationary_point(line.double())
    saddle = type(found)(**{**vars(found), "positions": line.double(), "outcome": converged})
    descent = Descent(Lbfgs(stiffness=500.0), Convergence(max_steps=50))
    result = verify(descent, LennardJones(), saddle, modes_of=lambda at: modes(LennardJones(), at))
    assert result.outcome.tolist() == [Outcome.WRONG_INDEX] * 2
    assert result.first.n_evaluations.tolist() == [0, 0]
    assert result.first.positions.isnan().all()


@pytest.mark.parametrize("outcome", [Outcome.NON_FINITE, Outcome.OUT_OF_STEPS])
def test_failed_searches_keep_their_outcome(outcome):
    found, _ = at_lj_stationary_point(torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)).double())
    failed = type(found)(**{**vars(found), "outcome": torch.full_like(found.outcome, outcome.value)})
    descent = Descent(Lbfgs(stiffness=500.0), Convergence(max_steps=50))
    result = verify(descent, LennardJones(), failed)
    assert result.outcome.tolist() == [outcome] * 2
    assert torch.equal(result.n_evaluations, failed.n_evaluations)


LJ6 = [-12.079031, -11.630307, -11.334033]
LJ7 = [-15.444734, -15.319864, -15.283421, -15.097846, -15.033384, -15.026438]
LJ7 += [-14.816400, -14.811130, -14.596946, -14.568061, -14.548573, -12.548938]


@pytest.mark.slow
@pytest.mark.parametrize(("n_atoms", "n_pairs", "known"), [(6, 60, LJ6), (7, 300, LJ7)])
def test_all_saddles_of_small_clusters_from_pairs_of_minima_with_exchanged_atoms(n_atoms, n_pairs, known):
    potential, generator = LennardJones(), torch.Generator().manual_seed(0)
    relaxer = Lbfgs(max_step=0.1, stiffness=500.0, max_rise=1e-9)
    down = Convergence(fmax=1e-7, max_steps=2000, max_radius=20.0)
    starts = 0.9 * torch.randn(120, n_atoms, 3, generator=generator, dtype=torch.float64)
    ends = quench(relaxer, potential, starts, convergence=down)
    ends = take_rows(ends, ends.outcome == Outcome.CONVERGED)
    levels = torch.unique((ends.energy * 1e5).round(), return_inverse=True)[1]
    minima = ends.positions[[int((levels == level).nonzero()[0]) for level in levels.unique()]]
    first, last = (minima[torch.randint(len(minima), (n_pairs,), generator=generator)] for _ in range(2))
    last = torch.stack([row[torch.randperm(n_atoms, generator=generator)] for row in last])
    path = by_distances(first, superpose(last, first), n_images=7)
    heights = torch.stack([potential(first).energy, potential(last).energy], dim=1)
    tops = candidates(relax_bands(Band(), potential, path, heights)[0])
    follower = Follow(fmax=1e-9, stiffness=100.0, displacement=1e-5, index_tolerance=1e-3)
    state = follower.init(tops.positions, mode=tops.tangent, second=potential.hessian(tops.positions))
    saddle = follow(follower, potential, state, limits=Convergence(max_steps=150, max_radius=20.0))
    found = verify(Descent(relaxer, down, push=0.02), potential, saddle, modes_of=lambda at: modes(potential, at))
    energies = saddle.energy[found.outcome == Outcome.CONVERGED]
    off = (energies[:, None] - torch.tensor(known, dtype=torch.float64)).abs()
    assert off.amin(dim=1).amax() < 1e-6
    assert off.amin(dim=0).amax() < 1e-6
