from pathlib import Path

import pytest
import torch

from pesx.chemistry.perceive import CIS, TRANS, TWISTED, classify_torsions, perceive, perceive_bonds, to_rdkit
from pesx.chemistry.read import read_molecule
from pesx.geometry.torsion import triple_products
from pesx.molecule import Molecule

ALA3 = Path(__file__).parents[3] / "examples" / "ala3.xyz"


@pytest.mark.parametrize("smiles", ["CC(=O)NC", "c1ccccc1O", "C#CCN", "C1CC1", "CS(=O)C", "ClC(F)Br", "C[NH3+]"])
def test_bonds_from_the_geometry_are_those_of_the_smiles(smiles):
    molecule = read_molecule(smiles)
    assert torch.equal(perceive_bonds(molecule.numbers, molecule.positions), molecule.bonds)


def test_argon_does_not_bond():
    cluster = read_molecule("LJ13")
    assert len(perceive_bonds(cluster.numbers, cluster.positions)) == 0


@pytest.mark.parametrize(
    ("smiles", "n_torsions", "n_methyls", "n_amides", "n_amide_rotors"),
    [
        ("CCCC", 1, 2, 0, 0),
        ("CCO", 1, 1, 0, 0),
        ("CC(=O)N[C@@H](C)C(=O)NC", 2, 3, 2, 2),
        ("CC(=O)N(C)C", 0, 3, 0, 1),  # turning it over gives the same molecule
        ("NC=O", 0, 0, 0, 1),
        ("O=C1CCCN1", 0, 0, 1, 0),
        ("CC#CC", 0, 0, 0, 0),
        ("CC=CC", 0, 2, 0, 0),
        ("c1ccccc1C(=O)O", 2, 0, 0, 0),
        ("C1CCCCC1", 0, 0, 0, 0),
        ("O", 0, 0, 0, 0),
    ],
)
def test_rotors_are_counted_as_a_chemist_would(smiles, n_torsions, n_methyls, n_amides, n_amide_rotors):
    found = perceive(read_molecule(smiles))
    counts = len(found.torsions.bonds), len(found.methyls.bonds), len(found.amides), len(found.amide_rotors.bonds)
    assert counts == (n_torsions, n_methyls, n_amides, n_amide_rotors)


def test_trialanine():
    molecule = read_molecule(ALA3)
    found = perceive(molecule)
    assert molecule.n_atoms == 42
    assert found.letters == "SSS"
    assert found.amide_classes.tolist() == [TRANS] * 4
    assert len(found.torsions.bonds) == 6
    assert len(found.methyls.bonds) == 5
    symbols = molecule.symbols
    assert {"".join(symbols[atom] for atom in quad) for quad in found.amides.tolist()} == {"CCNC"}


@pytest.mark.parametrize("smiles", ["CCCC", "CC(=O)N[C@@H](C)C(=O)NC", "CC(O)C(C)CCc1ccccc1"])
def test_moving_atoms_are_the_smaller_side(smiles):
    molecule = read_molecule(smiles)
    found = perceive(molecule)
    for rotors in (found.torsions, found.methyls, found.amide_rotors):
        for (fixed, moves), moving, quad in zip(
            rotors.bonds.tolist(), rotors.moving, rotors.quads.tolist(), strict=True
        ):
            assert quad[1:3] == [fixed, moves]
            assert moving[moves]
            assert moving[quad[3]]
            assert not moving[fixed]
            assert not moving[quad[0]]
            assert 2 * int(moving.sum()) <= molecule.n_atoms
            cut = moving[molecule.bonds[:, 0]] != moving[molecule.bonds[:, 1]]
            assert molecule.bonds[cut].tolist() == [sorted((fixed, moves))]


@pytest.mark.parametrize(
    ("smiles", "letters"),
    [
        ("C[C@H](N)C(=O)O", "S"),  # L-alanine
        ("C[C@@H](N)C(=O)O", "R"),
        ("OC[C@@H](O)C=O", "R"),  # D-glyceraldehyde
        ("C[S@](=O)c1ccccc1", "S"),
        ("CC1CCCCC1", ""),
        ("CC(C)O", ""),
        ("CCN(C)C(C)C", ""),
    ],
)
def test_stereocentres(smiles, letters):
    molecule = read_molecule(smiles)
    found = perceive(molecule)
    assert found.letters == letters
    mirrored = perceive(Molecule(molecule.numbers, -molecule.positions, bonds=molecule.bonds))
    assert mirrored.letters == found.letters.translate(str.maketrans("RS", "SR"))
    assert torch.equal(mirrored.handedness, -found.handedness)
    assert (triple_products(molecule.positions[None], found.centres)[0] * found.handedness > 0.3).all()


def test_ring_stereocentres_without_four_unlike_neighbours_are_found():
    assert len(perceive(read_molecule("C[C@H]1CC[C@@H](C)CC1")).centres) == 2


@pytest.mark.parametrize(("smiles", "expected"), [("C/C=C/C", [TRANS]), ("C/C=C\\C", [CIS]), ("C=C", []), ("CC=C", [])])
def test_double_bonds(smiles, expected):
    assert perceive(read_molecule(smiles)).double_bond_classes.tolist() == expected


def test_without_bond_orders_the_graph_suffices():
    molecule = read_molecule("C/C=C\\CCC")
    cation = Molecule(molecule.numbers, molecule.positions, charge=1, multiplicity=2, bonds=molecule.bonds)
    assert not to_rdkit(cation)[1]
    with_orders, without = perceive(molecule), perceive(cation)
    assert without.double_bond_classes.tolist() == [CIS]
    assert torch.equal(with_orders.torsions.bonds, without.torsions.bonds)
    assert torch.equal(with_orders.methyls.bonds, without.methyls.bonds)


def test_classes_of_torsions():
    angles = torch.tensor([0.0, 59.0, -59.0, 61.0, -90.0, 119.0, 121.0, 180.0]).deg2rad()
    assert classify_torsions(angles).tolist() == [CIS] * 3 + [TWISTED] * 3 + [TRANS] * 2
