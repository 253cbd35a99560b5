import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.dynamics.residues import file_order, residues
from pesx.dynamics.topology import in_file_order
from pesx.labelling.peptides import peptide_smiles

ALA = "N H CA HA CB HB1 HB2 HB3 C O"


@pytest.mark.parametrize(
    ("sequence", "names"),
    [("Ala", "ACE ALA NME"), ("Gly-Ala", "ACE GLY ALA NME"), ("Ala-Gly-Gly", "ACE ALA GLY GLY NME")],
)
def test_capped_peptides_have_their_residues(sequence: str, names: str) -> None:
    molecule = read_molecule(peptide_smiles(sequence))
    found = residues(molecule)
    assert " ".join(residue.name for residue in found) == names
    assert sorted(file_order(found)) == list(range(molecule.n_atoms))
    for residue in found:
        # The first letter of a name is the element.
        assert all(molecule.symbols[atom] == name[0] for name, atom in residue.atoms)
        if residue.name == "ALA":
            assert " ".join(name for name, _ in residue.atoms) == ALA


def test_names_say_what_is_bonded_to_what() -> None:
    molecule = read_molecule(peptide_smiles("Ala"))
    ace, ala, nme = (dict(residue.atoms) for residue in residues(molecule))
    bonds = {tuple(pair) for pair in molecule.bonds.tolist()}
    pairs = [(ace["CH3"], ace["C"]), (ace["C"], ala["N"]), (ala["CA"], ala["CB"]), (ala["C"], nme["N"])]
    assert all(tuple(sorted(pair)) in bonds for pair in [*pairs, (nme["N"], nme["C"]), (ala["CA"], ala["HA"])])


@pytest.mark.parametrize("smiles", ["CCO", "CC(=O)NC", "CC(=O)N[C@@H](CO)C(=O)NC", "NCC(=O)O", "c1ccccc1"])
def test_other_molecules_are_one_residue(smiles: str) -> None:
    molecule = read_molecule(smiles)
    found = residues(molecule)
    if smiles == "CC(=O)NC":  # caps alone are a peptide without amino acids
        assert [residue.name for residue in found] == ["ACE", "NME"]
        return
    assert [residue.name for residue in found] == ["MOL"]
    assert file_order(found) == list(range(molecule.n_atoms))
    assert len({name for name, _ in found[0].atoms}) == molecule.n_atoms


def test_the_molecule_in_file_order_is_the_same_molecule() -> None:
    molecule = read_molecule(peptide_smiles("Ala-Gly"))
    moved, order = in_file_order(molecule)
    assert order != list(range(molecule.n_atoms))
    assert torch.equal(moved.numbers, molecule.numbers[order])
    bonds = {frozenset(pair) for pair in molecule.bonds.tolist()}
    assert {frozenset((order[i], order[j])) for i, j in moved.bonds.tolist()} == bonds
    assert file_order(residues(moved)) == list(range(molecule.n_atoms))
    assert in_file_order(moved)[0] is moved
