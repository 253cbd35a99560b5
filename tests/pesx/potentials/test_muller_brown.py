import pytest
import torch

from pesx.errors import InputError
from pesx.potentials.muller_brown import MullerBrown
from pesx.relax.modes import hessian, modes
from pesx.state import fmax
from pesx.testing import check_potential

MINIMA = [(-146.699517, -0.558224, 1.441726), (-108.166724, 0.623499, 0.028038), (-80.767818, -0.050011, 0.466694)]
SADDLES = [(-40.664844, -0.822002, 0.624313), (-72.248940, 0.212487, 0.292988)]


@pytest.mark.parametrize(("points", "n_negative"), [(MINIMA, 0), (SADDLES, 1)])
def test_stationary_points_have_their_known_energy_place_and_index(points, n_negative):
    known = torch.tensor(points, dtype=torch.float64)
    positions = torch.zeros(len(points), 1, 3, dtype=torch.float64)
    positions[:, 0, :2] = known[:, 1:]
    refined = positions
    for _ in range(3):
        forces = MullerBrown()(refined).forces[:, 0, :2]
        step = torch.linalg.solve(hessian(MullerBrown(), refined)[:, :2, :2], forces)
        refined = torch.cat([refined[:, :, :2] + step[:, None], refined[:, :, 2:]], dim=2)
    now = MullerBrown()(refined)
    assert fmax(now.forces).max() < 1e-9
    torch.testing.assert_close(now.energy, known[:, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(refined[:, 0, :2], known[:, 1:], rtol=0, atol=1e-6)
    found = modes(MullerBrown(), refined, is_free=False, coordinates=torch.tensor([0, 1]))
    assert found.n_negative.tolist() == [n_negative] * len(points)
    assert ((found.lowest < 0) == bool(n_negative)).all()


def test_it_keeps_the_contract_of_a_potential_in_an_external_field():
    positions = 0.7 * torch.randn(6, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    check_potential(MullerBrown(), positions, is_free=False).raise_if_wrong()
    assert {"translation", "rotation"} == {f.check for f in check_potential(MullerBrown(), positions).findings}


def test_z_does_not_count():
    high = torch.tensor([[[0.1, 0.2, 5.0]], [[0.1, 0.2, 0.0]]])
    now = MullerBrown()(high)
    assert now.energy[0] == now.energy[1]
    assert torch.equal(now.forces[..., 2], torch.zeros(2, 1))


def test_two_atoms_are_refused():
    with pytest.raises(InputError, match="one atom"):
        MullerBrown()(torch.zeros(4, 2, 3))
