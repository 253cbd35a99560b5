import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.rules import cluster_archive, molecular_archive, surface_archive
from pesx.state import Minima

GENERATOR = torch.Generator().manual_seed(0)
LJ4 = read_molecule("LJ4")
CHIRAL = torch.randn(4, 3, dtype=torch.float64, generator=GENERATOR)


def kinds(archive: MinimaArchive, structures: list[torch.Tensor]) -> int:
    n = len(structures)
    energy = torch.zeros(n, dtype=torch.float64)
    archive.add(Minima(torch.stack(structures), energy, energy, torch.ones(n).long(), torch.ones(n).long()), [""] * n)
    return len(archive)


@pytest.mark.parametrize(("mirror", "expected"), [("merge", 1), ("distinct", 2)])
def test_mirror_images_of_a_cluster_follow_the_policy(mirror, expected: int):
    assert kinds(cluster_archive(LJ4, mirror), [CHIRAL, -CHIRAL, CHIRAL[[1, 0, 2, 3]]]) == expected


def test_hydrogens_of_a_methyl_group_are_alike():
    ethane = read_molecule("CC")
    turned = ethane.positions.clone()
    hydrogens = [i for i, number in enumerate(ethane.numbers.tolist()) if number == 1][:3]
    turned[hydrogens] = ethane.positions[hydrogens[1:] + hydrogens[:1]]
    assert kinds(molecular_archive(ethane, "distinct"), [ethane.positions, turned]) == 1


def test_places_in_the_plane_are_what_they_are():
    here = torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64)
    assert kinds(surface_archive(), [here, here, -here]) == 2
