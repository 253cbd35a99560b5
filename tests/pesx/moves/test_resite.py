import pytest
import torch

from pesx.errors import ConfigError
from pesx.moves.resite import Resite
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench
from pesx.streams import Streams
from pesx.testing import check_move
from pesx.typing import Tensor

N_ATOMS = 13


@pytest.fixture(scope="module")
def clusters() -> Tensor:
    start = 0.9 * torch.randn(40, N_ATOMS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ends = quench(Lbfgs(stiffness=500.0), LennardJones(), start, convergence=Convergence(fmax=1e-4, max_radius=3.0))
    return ends.positions[ends.outcome == 1]


def moved(resite: Resite, clusters: Tensor) -> tuple[Tensor, Tensor]:
    n = len(clusters)
    after = resite(clusters, torch.ones(n, dtype=torch.float64), Streams(0, range(n), [0] * n))
    before = clusters - clusters.mean(dim=1, keepdim=True)
    return after, (after - before).norm(dim=-1) > 1e-9


def test_it_keeps_the_contract_of_a_move(clusters: Tensor) -> None:
    check_move(Resite(), clusters).raise_if_wrong()


@pytest.mark.parametrize("max_atoms", [1, 3])
def test_one_to_some_atoms_move(clusters: Tensor, max_atoms: int) -> None:
    _, is_moved = moved(Resite(max_atoms=max_atoms), clusters)
    assert set(is_moved.sum(dim=1).tolist()) == set(range(1, max_atoms + 1))


def test_loosely_bound_atoms_move_and_touch_those_that_stay(clusters: Tensor) -> None:
    resite = Resite(max_atoms=1)
    after, is_moved = moved(resite, clusters)
    apart = torch.cdist(clusters, clusters)
    neighbours = ((apart < 1.3 * resite.bond_length).sum(dim=2) - 1).double()
    assert float(neighbours[is_moved].mean()) < float(neighbours.mean()) - 1
    nearest = torch.cdist(after, after).diagonal_scatter(torch.full((len(after), N_ATOMS), 9.0), dim1=1, dim2=2)
    touching = nearest.amin(dim=2)[is_moved]
    assert float(touching.min()) > resite.bond_length - 1e-9
    assert float(touching.max()) < 1.5 * resite.bond_length


@pytest.mark.parametrize("wrong", [{"bond_length": 0.0}, {"max_atoms": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Resite"):
        Resite(**wrong)
