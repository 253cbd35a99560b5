import pytest
import torch

from pesx.chemistry.perceive import perceive
from pesx.chemistry.read import read_molecule
from pesx.geometry.torsion import rotate_about_bond
from pesx.landscape.records import StoredMinima
from pesx.landscape.rules import cluster_archive, molecular_archive
from pesx.landscape.twins import without_twin
from pesx.molecule import Molecule


def minima(positions, energy):
    n = len(energy)
    nan, count = torch.full((n,), torch.nan).double(), torch.arange(n)
    return StoredMinima(positions, torch.tensor(energy).double(), nan, nan, nan, count, count, [""] * n)


def butane(*degrees):
    molecule = read_molecule("CCCC")
    rotors = perceive(molecule).torsions
    angle = torch.tensor(degrees).double().deg2rad()
    start = molecule.positions.expand(len(degrees), -1, -1)
    return molecule, rotate_about_bond(start, rotors.bonds[0], rotors.moving[0], angle)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [((0.0, 115.0, -115.0), [False, False, False]), ((0.0, 115.0), [False, True]), ((-115.0,), [True])],
)
def test_gauche_butane_has_a_twin_and_anti_is_its_own(degrees, expected):
    molecule, positions = butane(*degrees)
    found = without_twin(
        minima(positions, [abs(turn) / 1e3 for turn in degrees]), molecular_archive(molecule, "distinct")
    )
    assert found.tolist() == expected


def test_a_twin_has_the_same_energy():
    molecule, positions = butane(115.0, -115.0)
    assert without_twin(minima(positions, [0.0, 0.1]), molecular_archive(molecule, "distinct")).all()


def test_clusters():
    flat = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [-1.0, 0, 0], [0, -1.0, 0]])
    chain = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [1.0, 2.0, 0], [1.0, 2.0, 3.0]])
    molecule = Molecule(torch.full((4,), 18), flat * 3)
    positions = torch.stack([flat, chain]).double()
    assert without_twin(minima(positions, [0.0, 1.0]), cluster_archive(molecule, "distinct")).tolist() == [False, True]
