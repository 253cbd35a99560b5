import pytest
import torch

from pesx.errors import ConfigError
from pesx.geometry.interpolate import by_distances, straight
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.relax.fire import Fire
from pesx.relax.lbfgs import Lbfgs
from pesx.saddles.band import Band, candidates, relax_bands, tangents
from pesx.state import Evaluation, cat_rows, put_rows, take_rows

MINIMA = torch.tensor([[-0.558224, 1.441726, 0.0], [-0.050011, 0.466694, 0.0], [0.623499, 0.028038, 0.0]]).double()
SADDLES = torch.tensor([[-0.822002, 0.624313, 0.0], [0.212487, 0.292988, 0.0]]).double()
ON_SURFACE = Band(Lbfgs(memory=5, max_step=0.1, stiffness=2000.0), fmax=20.0, max_steps=30)


def surface_paths(pairs):
    first, last = (MINIMA[[pair[end] for pair in pairs], None] for end in range(2))
    potential = MullerBrown()
    return straight(first, last, n_images=9), torch.stack([potential(first).energy, potential(last).energy], dim=1)


def cluster_paths():
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double() * 0.79
    first = octahedron.expand(3, -1, -1)
    last = octahedron[torch.tensor([[1, 2, 0, 4, 5, 3], [1, 0, 2, 3, 4, 5], [0, 1, 5, 3, 4, 2]])]
    last = last + 0.1 * torch.randn(3, 6, 3, generator=torch.Generator().manual_seed(0)).double()
    potential = LennardJones()
    return by_distances(first, last, n_images=5), torch.stack([potential(first).energy, potential(last).energy], dim=1)


def test_maxima_of_bands_on_the_surface_are_near_its_saddles():
    path, ends = surface_paths([(0, 1), (1, 2), (0, 2)])
    state, n_evaluations = relax_bands(ON_SURFACE, MullerBrown(), path, ends)
    found = candidates(state)
    assert found.band.tolist() == [0, 1, 2, 2]
    off = torch.linalg.vector_norm(found.positions[:, 0] - SADDLES[[0, 1, 0, 1]], dim=1)
    assert off.amax() < 0.15
    torch.testing.assert_close(found.energy, torch.tensor([-40.66, -72.25, -40.66, -72.25]).double(), rtol=0, atol=1.0)
    assert n_evaluations.amax() <= 9 * ON_SURFACE.max_steps
    torch.testing.assert_close(torch.linalg.vector_norm(found.tangent.flatten(1), dim=1), torch.ones(4).double())


def test_images_stay_evenly_spread():
    state, _ = relax_bands(ON_SURFACE, MullerBrown(), *surface_paths([(0, 2)]))
    spacing = torch.linalg.vector_norm(state.path[0, :, 0].diff(dim=0), dim=1)
    assert spacing.amax() < 2.0 * spacing.amin()


def test_a_cubic_finds_a_maximum_between_two_images():
    band = Band()
    path = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]).double().view(1, 5, 1, 1) * torch.eye(3).double()[0]
    state = band.init(path, torch.zeros(1, 2).double())
    # V = 3 - (x - 1.75)^2 / 2 at the images, so that no image is the maximum.
    x = path[0, 1:-1]
    now = Evaluation(3.0 - 0.5 * (x[:, 0, 0] - 1.75) ** 2, -(1.75 - x) * torch.eye(3).double()[0])
    found = candidates(band.step(state, now))
    torch.testing.assert_close(found.positions[:, 0, 0], torch.tensor([1.75]).double())
    torch.testing.assert_close(found.energy, torch.tensor([3.0]).double())


def test_a_band_that_only_falls_has_no_candidate():
    band = Band()
    path = torch.linspace(0.0, 4.0, 5).double().view(1, 5, 1, 1) * torch.eye(3).double()[0]
    state = band.init(path, torch.tensor([[0.0, -8.0]]).double())
    falls = Evaluation(-2.0 * path[0, 1:-1, 0, 0], 2.0 * torch.eye(3).double()[:1].expand(3, 1, 3))
    assert len(candidates(band.step(state, falls)).band) == 0


def test_tangents_point_to_the_higher_neighbour():
    path = torch.tensor([[[0.0, 0, 0]], [[1.0, 0, 0]], [[1.0, 1.0, 0]]]).double()[None]
    up = tangents(path, torch.tensor([[0.0, 1.0, 2.0]]).double())[0, 1, 0]
    down = tangents(path, torch.tensor([[2.0, 1.0, 0.0]]).double())[0, 1, 0]
    assert up.tolist() == [0.0, 1.0, 0.0]
    assert down.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("stepper", [Fire(), Lbfgs(stiffness=200.0)])
def test_bands_are_the_same_alone_and_beside_one_that_is_not_finite(stepper):
    band, potential = Band(stepper, fmax=0.1, max_steps=12), LennardJones()
    path, ends = cluster_paths()
    spoilt = path.clone()
    spoilt[1, 2] = torch.nan
    whole, n_evaluations = relax_bands(band, potential, spoilt, ends)
    for row in (0, 2):
        alone, n_alone = relax_bands(band, potential, path[row : row + 1], ends[row : row + 1])
        assert torch.equal(whole.path[row], alone.path[0])
        assert torch.equal(whole.energy[row], alone.energy[0])
        assert n_evaluations[row] == n_alone[0]
    assert n_evaluations[1] == 5
    assert band.outcome(whole, n_evaluations // 5).tolist()[1] == Outcome.NON_FINITE
    assert set(candidates(whole).band.tolist()) <= {0, 2}


def test_a_band_can_take_the_place_of_another():
    band, potential = Band(Fire()), LennardJones()
    path, ends = cluster_paths()
    state = band.init(path[:2], ends[:2])
    state = band.step(state, potential(state.positions))
    fresh = band.init(path[2:], ends[2:])
    mixed = put_rows(state, torch.tensor([0]), fresh)
    mixed = band.step(mixed, potential(mixed.positions))
    other = band.step(fresh, potential(fresh.positions))
    assert torch.equal(take_rows(mixed, torch.tensor([0])).path, other.path)
    assert len(cat_rows([mixed, other]).path) == 3


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"Band\.fmax above 0"):
        Band(fmax=0.0)
