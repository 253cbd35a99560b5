import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.connect.presets import N_IMAGES, cluster_parts, contacts, molecule_parts, surface_parts
from pesx.geometry.torsion import torsion_angles
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown


def test_paths_of_a_molecule_turn_its_torsions():
    molecule = read_molecule("CCCCO")
    parts = molecule_parts(LennardJones(), molecule, mirror="distinct", amides="keep", energy_window=1.0)
    first = molecule.positions[None]
    path = parts.path(first, parts.aligned(first, first))
    assert path.shape == (1, N_IMAGES + 2, molecule.n_atoms, 3)
    quads = torch.tensor([[0, 1, 2, 3]])
    torch.testing.assert_close(torsion_angles(path[0], quads), torsion_angles(first, quads).expand(N_IMAGES + 2, 1))


def test_paths_of_a_cluster_end_in_its_minima():
    molecule = read_molecule("LJ5")
    parts = cluster_parts(LennardJones(), molecule, mirror="merge", energy_window=float("inf"))
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 1, 5, 3, dtype=torch.float64, generator=generator)
    path = parts.path(first, parts.aligned(second, first))
    torch.testing.assert_close(torch.pdist(path[0, 0]), torch.pdist(first[0]))
    assert torch.allclose(torch.pdist(path[0, -1]).sort().values, torch.pdist(second[0]).sort().values)


def test_paths_on_a_surface_are_straight():
    parts = surface_parts(MullerBrown())
    ends = torch.tensor([[[[0.0, 0.0, 0.0]]], [[[1.0, 2.0, 0.0]]]], dtype=torch.float64)
    path = parts.path(ends[0], parts.aligned(ends[1], ends[0]))
    middle = path[0, (N_IMAGES + 1) // 2, 0]
    torch.testing.assert_close(middle, torch.tensor([0.5, 1.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("dimension", [0, 1])
def test_a_search_on_a_surface_stays_in_its_plane(dimension: int):
    assert surface_parts(MullerBrown()).around.is_free_to_move[dimension] == 1.0
    assert surface_parts(MullerBrown()).around.is_free_to_move[2] == 0.0


def test_atoms_along_three_bonds_may_be_near():
    molecule = read_molecule("CCCC")
    limits = contacts(molecule)
    assert torch.equal(limits, limits.mT)
    assert limits[0, :4].tolist() == [0.0] * 4
    first = [h for h in range(4, 14) if {0, h} in [{*bond} for bond in molecule.bonds.tolist()]]
    last = [h for h in range(4, 14) if {3, h} in [{*bond} for bond in molecule.bonds.tolist()]]
    assert limits[first[0], last[0]].item() == pytest.approx(1.8)
    assert limits[first[0], first[1]].item() == 0.0
