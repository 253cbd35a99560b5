from pathlib import Path

import ase.io
import pytest
import torch
from ase import Atoms
from rdkit import Chem

from pesx.chemistry.embed import molecule_from_smiles
from pesx.chemistry.perceive import to_rdkit
from pesx.chemistry.read import existing, read_molecule
from pesx.errors import InputError, MoleculeError

ALA3 = Path(__file__).parents[3] / "examples" / "ala3.xyz"
WATER = "3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"
METHANE_2 = "C 0 0 9\nH 0.63 0.63 9.63\nH -0.63 -0.63 9.63\nH 0.63 -0.63 8.37\nH -0.63 0.63 8.37\n"


@pytest.mark.parametrize("kind", ["xyz", "extxyz", "pdb", "sdf", "mol"])
def test_every_format_gives_the_molecule_back(tmp_path, kind):
    ethanol = molecule_from_smiles("CCO")
    path = tmp_path / f"ethanol.{kind}"
    if kind in ("sdf", "mol"):
        path.write_text(Chem.MolToMolBlock(to_rdkit(ethanol)[0]) + ("$$$$\n" if kind == "sdf" else ""))
    else:
        written = {"pdb": "proteindatabank"}.get(kind, kind)
        ase.io.write(path, Atoms(numbers=ethanol.numbers, positions=ethanol.positions), format=written)
    read = read_molecule(path)
    assert read.digest == ethanol.digest
    assert read.name == "ethanol"
    torch.testing.assert_close(read.positions, ethanol.positions, atol=1e-3, rtol=0)


def test_the_example_is_capped_trialanine():
    ala3 = read_molecule(str(ALA3))
    assert ala3.formula == "C12H22N4O4"
    assert ala3.name == "Ac-Ala3-NHMe"
    assert len(ala3.bonds) == 41


def test_properties_charge_and_multiplicity_of_an_extended_comment(tmp_path):
    path = tmp_path / "ion.xyz"
    path.write_text("2\nProperties=id:I:1:pos:R:3:species:S:1 charge=-1 multiplicity=1\n1 0 0 0 O\n2 0 0 0.97 h\n")
    hydroxide = read_molecule(path)
    assert (hydroxide.symbols, hydroxide.charge) == (["O", "H"], -1)
    assert read_molecule(path, charge=0, multiplicity=2).multiplicity == 2


def test_charge_of_a_molfile(tmp_path):
    path = tmp_path / "acetate.mol"
    path.write_text(Chem.MolToMolBlock(to_rdkit(molecule_from_smiles("CC(=O)[O-]"))[0]))
    assert read_molecule(path).charge == -1


@pytest.mark.parametrize("n_atoms", [2, 13, 150])
def test_lennard_jones_clusters(n_atoms):
    cluster = read_molecule(f"LJ{n_atoms}")
    assert (cluster.n_atoms, cluster.name, len(cluster.bonds)) == (n_atoms, f"LJ{n_atoms}", 0)
    assert cluster.numbers.unique().tolist() == [18]
    assert torch.nn.functional.pdist(cluster.positions).min() > 0.7
    assert torch.equal(read_molecule(f"lj{n_atoms}").positions, cluster.positions)


def test_a_file_of_argon_is_a_cluster(tmp_path):
    path = tmp_path / "ar3.xyz"
    path.write_text("3\n\nAr 0 0 0\nAr 1.1 0 0\nAr 0 1.1 0\n")
    assert len(read_molecule(path).bonds) == 0


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("", InputError, "came nothing"),
        ("missing.xyz", InputError, "does not exist"),
        ("folder/missing.pdb", InputError, "does not exist"),
        ("./missing", InputError, "does not exist"),
        (Path("missing"), InputError, "does not exist"),
        ("C1CC(", InputError, "cannot parse"),
        ("C(C)(C)(C)(C)C", InputError, "cannot parse"),
        ("notasmiles", InputError, "cannot parse"),
        ("CCO.O", MoleculeError, "2 pieces: CCO, O"),
        ("LJ1", InputError, "2 to 1000"),
    ],
)
def test_bad_names_are_refused(source, error, message, capfd):
    with pytest.raises(error, match=message):
        read_molecule(source)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("a.xyz", "", InputError, "empty file"),
        ("a.xyz", "hello\n", InputError, "line 1: expected the number of atoms; came 'hello'"),
        ("a.xyz", WATER.replace("3\n", "4\n", 1), InputError, "expected 4 atoms.*came 3"),
        ("a.xyz", WATER.replace("3\n", "2\n", 1), InputError, "line 5: expected the end of the file after 2 atoms"),
        ("a.xyz", WATER.replace("H 0.96", "Xx 0.96"), MoleculeError, "line 4: expected an element; came 'Xx'"),
        ("a.xyz", WATER.replace("0.96", "zero"), InputError, "line 4: expected an element and x, y, z"),
        ("a.xyz", WATER.replace("H 0.96 0 0", "H 0.96 0"), InputError, "line 4"),
        ("a.xyz", WATER.replace("0.96", "nan"), MoleculeError, "finite"),
        ("a.xyz", WATER.replace("0.96", "0.10"), MoleculeError, "0.4 angstrom apart"),
        ("a.xyz", WATER + WATER, MoleculeError, "several frames"),
        (
            "a.xyz",
            "8\n\n" + WATER[8:] + METHANE_2,
            MoleculeError,
            r"2 pieces: H2O \(from atom 0\), CH4 \(from atom 3\)",
        ),
        ("a.sdf", "nonsense\n", InputError, "RDKit cannot read"),
        ("a.pdb", "nonsense\n", MoleculeError, "model"),
        ("a.cif", "data_\n", InputError, "ending in"),
    ],
)
def test_bad_files_are_refused(tmp_path, capfd, name, text, error, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_molecule(path)
    assert capfd.readouterr().err == ""


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="folder"):
        read_molecule(tmp_path)


def test_molfiles_need_hydrogens_space_and_one_record(tmp_path):
    flat = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    full = Chem.MolToMolBlock(to_rdkit(molecule_from_smiles("CCO"))[0])
    drawing = Chem.MolToMolBlock(Chem.AddHs(Chem.MolFromSmiles("CCO")))
    for text, message in ((flat, "6 implied"), (drawing, "flat"), (full + "$$$$\n" + full + "$$$$\n", "came 2")):
        path = tmp_path / "a.sdf"
        path.write_text(text)
        with pytest.raises(MoleculeError, match=message):
            read_molecule(path)


def test_a_charge_against_the_smiles_is_refused():
    assert read_molecule("CC(=O)[O-]", charge=-1).charge == -1
    with pytest.raises(MoleculeError, match="Expected charge -1"):
        read_molecule("CC(=O)[O-]", charge=0)
    with pytest.raises(MoleculeError, match="Expected multiplicity 1"):
        read_molecule("CCO", multiplicity=3)
    with pytest.raises(MoleculeError, match="even multiplicity"):
        read_molecule(ALA3, charge=1)


@pytest.mark.parametrize("text", ["C" * 300, "~nouser/x.xyz", "nul\0", "a/" * 3000])
def test_a_text_that_can_be_no_path_names_nothing(text: str):
    assert existing(text) is None


def test_a_text_that_is_a_path_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("CC").mkdir()
    assert existing("CC") == Path("CC")


def test_a_smiles_may_be_longer_than_a_file_name():
    smiles = "[12CH3:101]" + 22 * "[12CH2:101]" + "[12CH3:101]"
    assert len(smiles) > 255
    assert read_molecule(smiles).formula == "C24H50"
    with pytest.raises(InputError, match="cannot parse it as SMILES"):
        read_molecule("C" * 300 + "(")


def test_a_home_of_nobody():
    with pytest.raises(InputError, match=r"'~nouser/x\.xyz', which does not exist"):
        read_molecule("~nouser/x.xyz")
