import networkx as nx
import numpy as np
import pytest
import torch

from pesx.analysis.descriptors import backbone, backbone_torsions, descriptors
from pesx.chemistry.embed import molecule_from_smiles
from pesx.chemistry.symmetry import neighbours
from pesx.geometry.torsion import rotate_about_bond, torsion_angles
from pesx.molecule import Molecule


def folded(n_residues: int, phi: float, psi: float) -> tuple[Molecule, torch.Tensor]:
    """A capped chain of alanine with these torsions, degree, all amides trans."""
    molecule = molecule_from_smiles("CC(=O)" + "N[C@@H](C)C(=O)" * n_residues + "NC")
    graph = nx.Graph(molecule.bonds.tolist())
    positions = molecule.positions[None]
    residues = backbone(molecule)
    turns = [((before, n, ca, c), phi) for before, n, ca, c, _ in residues]
    turns += [((n, ca, c, after), psi) for _, n, ca, c, after in residues]
    turns += [((residues[i][2], *residues[i][3:], residues[i + 1][2]), 180.0) for i in range(n_residues - 1)]
    for quad, wanted in turns:
        i, j = quad[1:3]
        rest = graph.copy()
        rest.remove_edge(i, j)
        side = nx.node_connected_component(rest, j)
        moving = torch.tensor([atom in side for atom in range(molecule.n_atoms)])
        is_now = torsion_angles(positions, torch.tensor([quad]))[:, 0]
        angle = torch.deg2rad(torch.tensor([wanted], dtype=torch.float64)) - is_now
        positions = rotate_about_bond(positions, torch.tensor([i, j]), moving, angle)
    return molecule, positions


def test_residues_lie_between_amides_in_order():
    # CC(=O)N C(C)C(=O)N C(C)C(=O)N C(C)C(=O)N C, atoms in this order.
    ala3 = molecule_from_smiles("CC(=O)N[C@@H](C)C(=O)N[C@@H](C)C(=O)N[C@@H](C)C(=O)NC")
    assert backbone(ala3) == [(1, 3, 4, 6, 8), (6, 8, 9, 11, 13), (11, 13, 14, 16, 18)]
    # From the C end, the order is that of the chain all the same.
    reverse = molecule_from_smiles("CNC(=O)[C@H](C)NC(=O)[C@H](C)NC(C)=O")
    assert [residue[1] for residue in backbone(reverse)] == [11, 6]
    assert backbone(molecule_from_smiles("CC(=O)NC")) == []  # one amide is no residue


def test_torsions_are_those_of_the_geometry():
    molecule, positions = folded(2, phi=-80.0, psi=75.0)
    measured = descriptors(molecule, positions)
    np.testing.assert_allclose(measured.phi, -80.0, atol=0.05)
    np.testing.assert_allclose(measured.psi, 75.0, atol=0.05)
    phi, psi = backbone_torsions(molecule, positions)
    np.testing.assert_array_equal(phi, measured.phi)
    np.testing.assert_array_equal(psi, measured.psi)


def test_ends_are_most_bonds_apart():
    pentane = molecule_from_smiles("CCCCC")
    measured = descriptors(pentane, pentane.positions[None])
    assert measured.ends == (0, 4)
    expected = float(torch.dist(pentane.positions[0], pentane.positions[4]))
    np.testing.assert_allclose(measured.end_to_end, expected, atol=1e-5)
    assert measured.hydrogen_bonds is None
    assert measured.phi.shape == (1, 0)


def waters(distance: float, turn: float) -> torch.Tensor:
    """Two waters; a hydrogen of the first points at the oxygen of the second, but for a turn (degree) of the first."""
    angle = np.radians(turn)
    hydrogen = 0.96 * np.array([np.cos(angle), np.sin(angle), 0.0])
    other = 0.96 * np.array([np.cos(angle + 1.82), np.sin(angle + 1.82), 0.0])
    oxygen = np.array([0.96 + distance, 0.0, 0.0])
    ends = oxygen + 0.96 * np.array([[0.5, 0.3, 0.81], [0.5, 0.3, -0.81]])
    return torch.from_numpy(np.stack([np.zeros(3), hydrogen, other, oxygen, *ends]))


def test_hydrogen_bonds_by_distance_and_angle():
    bonds = torch.tensor([[0, 1], [0, 2], [3, 4], [3, 5]])
    dimer = Molecule(torch.tensor([8, 1, 1, 8, 1, 1]), waters(1.9, 0.0), bonds=bonds)
    frames = torch.stack([waters(1.9, 0.0), waters(2.6, 0.0), waters(1.9, 100.0), waters(2.4, 10.0)])
    measured = descriptors(dimer, frames)
    assert measured.hydrogen_bonds is not None
    assert measured.hydrogen_bonds.tolist() == [1, 0, 0, 1]
    assert measured.triplets.tolist() == [[0, 1, 3]]
    alone = descriptors(dimer, frames[1:3])
    assert alone.hydrogen_bonds is not None
    assert alone.hydrogen_bonds.tolist() == [0, 0]


def test_hydrogen_bonds_of_inverse_turns():
    """In C7 each amide gives its hydrogen to the oxygen two amides before."""
    molecule, positions = folded(3, phi=-85.0, psi=52.0)
    measured = descriptors(molecule, positions)
    near = neighbours(molecule)
    chain = [before for before, *_ in backbone(molecule)]
    expected = {
        (
            after,
            next(a for a in near[after] if molecule.symbols[a] == "H"),
            next(a for a in near[before] if molecule.symbols[a] == "O"),
        )
        for before, (*_, after) in zip(chain, backbone(molecule), strict=True)
    }
    assert set(map(tuple, measured.triplets.tolist())) == expected
    assert measured.hydrogen_bonds is not None
    assert measured.hydrogen_bonds.tolist() == [3]


@pytest.mark.parametrize(("phi", "psi", "is_helix"), [(-60.0, -45.0, True), (-120.0, 130.0, False)])
def test_secondary_structure_of_long_chains(phi, psi, is_helix):
    molecule, positions = folded(8, phi, psi)
    measured = descriptors(molecule, positions)
    assert measured.helix is not None
    assert (measured.helix[0] > 0.5) == is_helix
    assert measured.strand is not None
    assert measured.strand[0] == 0  # one strand alone has no partner
    short, bent = folded(3, phi, psi)
    assert descriptors(short, bent).helix is None


def test_a_cluster_and_no_structures():
    argon = Molecule(torch.tensor([18, 18]), torch.tensor([[0.0, 0, 0], [1.1, 0, 0]]))
    measured = descriptors(argon, argon.positions[None])
    assert (measured.ends, measured.end_to_end, measured.hydrogen_bonds, measured.helix) == (None, None, None, None)
    assert measured.phi.shape == (1, 0)
    water = molecule_from_smiles("O")
    empty = descriptors(water, torch.zeros((0, 3, 3), dtype=torch.float64))
    assert empty.phi.shape == (0, 0)
    assert empty.triplets.shape == (0, 3)
