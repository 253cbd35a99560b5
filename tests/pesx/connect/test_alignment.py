import pytest
import torch

from pesx.chemistry.perceive import perceive
from pesx.chemistry.read import read_molecule
from pesx.connect.alignment import PathAlignment
from pesx.geometry.align import rmsd
from pesx.geometry.torsion import rotate_about_bond, torsion_angles, triple_products
from pesx.identity.molecular import MolecularIdentity


def methyl_centres(molecule):
    """Carbons with three hydrogens, and those."""
    rows = []
    for atom in range(molecule.n_atoms):
        around = [int(bond.sum()) - atom for bond in molecule.bonds if atom in bond.tolist()]
        hydrogens = [other for other in around if molecule.numbers[other] == 1]
        if len(hydrogens) == 3:
            rows.append([atom, *hydrogens])
    return torch.tensor(rows)


@pytest.fixture(scope="module")
def alanine():
    return read_molecule("CC(=O)N[C@@H](C)C(=O)NC")


def exchanged(positions, i, j):
    order = torch.arange(positions.shape[1])
    order[[i, j]] = torch.tensor([j, i])
    return positions[:, order]


@pytest.mark.parametrize("swap", [(0, 1), (1, 2), (0, 2)])
def test_hydrogens_that_changed_places_are_put_back(alanine, swap):
    here = alanine.positions[None]
    hydrogens = methyl_centres(alanine)[0, 1:].tolist()
    other = exchanged(here, hydrogens[swap[0]], hydrogens[swap[1]])
    laid = PathAlignment(alanine, "distinct")(other, here)
    torch.testing.assert_close(laid, here, rtol=0, atol=1e-9)


def test_methyl_groups_do_not_turn_where_the_least_rmsd_would_turn_them(alanine):
    """Torsions turned at random, so that methyl groups point elsewhere; one has its hydrogens numbered the other way."""
    rotors, methyls = perceive(alanine).torsions, perceive(alanine).methyls
    here = alanine.positions.expand(20, -1, -1)
    generator = torch.Generator().manual_seed(5)
    there = here
    for bond, moving in zip(rotors.bonds, rotors.moving, strict=True):
        angles = 2.0 * torch.pi * torch.rand(20, dtype=torch.float64, generator=generator)
        there = rotate_about_bond(there, bond, moving, angles)
    there = exchanged(there, *methyl_centres(alanine)[0, 1:3].tolist())
    turns = [
        (torsion_angles(align(there, here), methyls.quads) - torsion_angles(here, methyls.quads)).cos()
        for align in (MolecularIdentity(alanine).aligned, PathAlignment(alanine, "distinct"))
    ]
    assert turns[0].amin() < -0.4
    assert turns[1].amin() > 1.0 - 1e-9


def test_a_turn_by_a_third_is_no_turn(alanine):
    methyls = perceive(alanine).methyls
    here = alanine.positions[None]
    third = torch.tensor([2.0 * torch.pi / 3.0]).double()
    there = rotate_about_bond(here, methyls.bonds[0], methyls.moving[0], third)
    assert rmsd(PathAlignment(alanine, "distinct")(there, here), here).item() < 0.05


def test_two_methyls_on_one_carbon_do_not_change_places():
    """Exchanging the two methyls of an isopropyl group turns its carbon inside out."""
    molecule = read_molecule("CC(C)C(=O)N")
    near = [sum(bond) - 1 for bond in molecule.bonds.tolist() if 1 in bond]
    quad = torch.tensor([[1, *near[:3]]])
    here = molecule.positions[None]
    rotor = perceive(molecule).torsions
    for angle in (1.0, 2.0, 3.0, 4.0, 5.0):
        turn = torch.tensor([angle]).double()
        there = rotate_about_bond(here, rotor.bonds[0], rotor.moving[0], turn)
        laid = PathAlignment(molecule, "distinct")(there, here)
        assert torch.equal(triple_products(laid, quad).sign(), triple_products(here, quad).sign())


def test_a_mirror_image_lies_on_the_original_where_the_two_are_one():
    molecule = read_molecule("CCCC")
    here = molecule.positions[None]
    rotor = perceive(molecule).torsions
    gauche = rotate_about_bond(here, rotor.bonds[0], rotor.moving[0], torch.tensor([1.9]).double())
    assert rmsd(PathAlignment(molecule, "merge")(-gauche, gauche), gauche).item() < 1e-6


def test_rows_stand_alone(alanine):
    rotor = perceive(alanine).torsions
    here = alanine.positions.expand(3, -1, -1)
    there = rotate_about_bond(here, rotor.bonds[0], rotor.moving[0], torch.tensor([0.4, 2.0, -1.0]).double())
    align = PathAlignment(alanine, "distinct")
    whole = align(there, here)
    for row in range(3):
        torch.testing.assert_close(whole[row], align(there[row : row + 1], here[:1])[0], rtol=0, atol=1e-9)
