import pytest
import torch

from pesx.chemistry.embed import embed, molecule_from_smiles
from pesx.chemistry.perceive import CIS, TRANS, classify_torsions, perceive, perceive_bonds
from pesx.errors import InputError, MoleculeError
from pesx.geometry.torsion import torsion_angles, triple_products
from pesx.molecule import Molecule

DIPEPTIDE = "CC(=O)N[C@@H](C)C(=O)NC"


def shuffled(molecule, seed):
    """The same molecule, its atoms in another order."""
    order = torch.randperm(molecule.n_atoms, generator=torch.Generator().manual_seed(seed))
    numbers, positions = molecule.numbers[order], molecule.positions[order]
    return Molecule(numbers, positions, molecule.charge, bonds=perceive_bonds(numbers, positions))


@pytest.mark.parametrize("smiles", [DIPEPTIDE, "C[C@H](O)/C=C\\C", "CC(=O)[O-]", "C[C@H]1CC[C@@H](C)CC1"])
def test_conformers_keep_order_bonds_and_handedness(smiles):
    molecule = shuffled(molecule_from_smiles(smiles), seed=3)
    topology = perceive(molecule)
    conformers = embed(molecule, 4, 1)
    assert conformers.shape == (4, molecule.n_atoms, 3)
    assert conformers.dtype == torch.float64
    for conformer in conformers:
        assert torch.equal(perceive_bonds(molecule.numbers, conformer), molecule.bonds)
    assert (triple_products(conformers, topology.centres).sign() == topology.handedness).all()
    for quads, classes in (
        (topology.amides, topology.amide_classes),
        (topology.double_bonds, topology.double_bond_classes),
    ):
        assert (classify_torsions(torsion_angles(conformers, quads)) == classes).all()


def test_a_seed_fixes_the_conformers():
    molecule = molecule_from_smiles(DIPEPTIDE)
    first = embed(molecule, 3, 5)
    assert torch.equal(first, embed(molecule, 3, 5))
    assert not torch.equal(first, embed(molecule, 3, 6))


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**40])
def test_all_conformers_of_a_seed_are_different(seed):
    conformers = embed(molecule_from_smiles("CCCCC"), 6, seed)
    assert float(torch.pdist(conformers.flatten(1)).min()) > 0.1


def test_cis_amides_come_when_asked_for_and_are_kept_when_given():
    molecule = molecule_from_smiles(DIPEPTIDE)
    amides = perceive(molecule).amides
    mixed = embed(molecule, 24, 1, cis_amides=True)
    classes = classify_torsions(torsion_angles(mixed, amides))
    assert set(map(tuple, classes.tolist())) == {(TRANS, TRANS), (TRANS, CIS), (CIS, TRANS), (CIS, CIS)}
    cis = mixed[(classes == CIS).all(dim=1)][0]
    given = Molecule(molecule.numbers, cis, bonds=molecule.bonds)
    assert (classify_torsions(torsion_angles(embed(given, 4, 2), amides)) == CIS).all()


def test_charge_and_radicals_follow_the_smiles():
    assert molecule_from_smiles("C[NH3+]").charge == 1
    assert molecule_from_smiles("CC(=O)[O-]").charge == -1
    assert molecule_from_smiles("[CH3]").multiplicity == 2
    assert molecule_from_smiles("CCO", name="ethanol").name == "ethanol"


def test_what_cannot_be_embedded_is_refused(capfd):
    with pytest.raises(InputError, match="RDKit cannot parse"):
        molecule_from_smiles("C(")
    with pytest.raises(InputError, match="n = 0"):
        embed(molecule_from_smiles("CCO"), 0, 1)
    with pytest.raises(MoleculeError, match="with bonds"):
        embed(Molecule(torch.tensor([18, 18]), torch.eye(2, 3)), 1, 1)
    radical = molecule_from_smiles("[CH3]")
    with pytest.raises(MoleculeError, match="bond orders"):
        embed(radical, 1, 1)
    assert capfd.readouterr().err == ""
