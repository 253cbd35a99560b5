from pathlib import Path

import numpy as np
import pytest

from pesx.chemistry.read import read_molecule
from pesx.dynamics.topology import Topology, in_file_order
from pesx.labelling.peptides import peptide_smiles
from pesx.molecule import Molecule

mdtraj = pytest.importorskip("mdtraj")


def written(molecule: Molecule, folder: Path) -> Path:
    path = folder / "topology.pdb"
    path.write_text(Topology.of(molecule).as_pdb(molecule.positions))
    return path


def test_mdtraj_finds_the_backbone_of_a_peptide(tmp_path: Path) -> None:
    molecule, _ = in_file_order(read_molecule(peptide_smiles("Ala-Gly")))
    read = mdtraj.load(str(written(molecule, tmp_path)))
    assert np.abs(10 * read.xyz[0] - molecule.positions.numpy()).max() < 6e-4
    assert [residue.name for residue in read.topology.residues] == ["ACE", "ALA", "GLY", "NME"]
    assert [atom.element.symbol for atom in read.topology.atoms] == molecule.symbols
    assert mdtraj.compute_phi(read)[1].shape == mdtraj.compute_psi(read)[1].shape == (1, 2)
    bonds = {tuple(sorted((bond[0].index, bond[1].index))) for bond in read.topology.bonds}
    assert bonds == {tuple(pair) for pair in molecule.bonds.tolist()}


def test_other_molecules_keep_their_bonds(tmp_path: Path) -> None:
    molecule = read_molecule("C[Si](C)(C)Cl")
    read = mdtraj.load(str(written(molecule, tmp_path)))
    assert [atom.element.symbol for atom in read.topology.atoms] == molecule.symbols
    bonds = {tuple(sorted((bond[0].index, bond[1].index))) for bond in read.topology.bonds}
    assert bonds == {tuple(pair) for pair in molecule.bonds.tolist()}


def test_what_goes_into_hdf5_is_the_same_topology() -> None:
    molecule, _ = in_file_order(read_molecule(peptide_smiles("Ala")))
    table = Topology.of(molecule).as_mdtraj()
    (chain,) = table["chains"]
    atoms = [atom for residue in chain["residues"] for atom in residue["atoms"]]
    assert [atom["index"] for atom in atoms] == list(range(molecule.n_atoms))
    assert [atom["element"] for atom in atoms] == molecule.symbols
    assert table["bonds"] == molecule.bonds.tolist()
