import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from pesx.errors import MoleculeError
from pesx.labelling.peptides import RESIDUES, peptide_name, peptide_smiles


def test_alanine_dipeptide_is_that_of_the_books() -> None:
    known = "C[C@H](NC(C)=O)C(=O)NC"
    assert Chem.CanonSmiles(peptide_smiles("Ala")) == Chem.CanonSmiles(known)


@pytest.mark.parametrize(("sequence", "formula"), [("Gly", "C5H10N2O2"), ("Ala-Gly", "C8H15N3O3")])
def test_formulas(sequence: str, formula: str) -> None:
    assert CalcMolFormula(Chem.MolFromSmiles(peptide_smiles(sequence))) == formula


@pytest.mark.parametrize("residue", RESIDUES)
def test_residues_are_l(residue: str) -> None:
    mol = Chem.MolFromSmiles(peptide_smiles("-".join([residue] * 3)))
    labels = [label for _, label in Chem.FindMolChiralCenters(mol)]
    assert set(labels) <= {"S"}
    assert len(labels) == (0 if residue == "Gly" else 3)


def test_names() -> None:
    assert peptide_name("Ala-Gly") == "Ac-Ala-Gly-NHMe"


@pytest.mark.parametrize("sequence", ["", "Ala-Xyz", "AlaGly"])
def test_unknown_residues_list_the_known(sequence: str) -> None:
    with pytest.raises(MoleculeError, match="Ala, Gly"):
        peptide_smiles(sequence)
