from pathlib import Path

import mdtraj
import pytest
import torch

from pesx.analysis.audit.topologies import read_topology, topology_of
from pesx.chemistry import read_molecule
from pesx.errors import InputError, MoleculeError

ALA3 = Path(__file__).parents[3] / "examples/ala3.xyz"


@pytest.fixture
def pdb(tmp_path):
    """The peptide as a PDB file with CONECT records, as MDTraj writes it."""
    molecule = read_molecule(ALA3)
    path = tmp_path / "topology.pdb"
    mdtraj.Trajectory(molecule.positions.numpy()[None] / 10, topology_of(molecule)).save_pdb(str(path))
    return path


@pytest.mark.parametrize("keeps", [True, False])
def test_bonds_of_pdb(keeps, pdb):
    """From CONECT records, and without them from distances: the same."""
    if not keeps:
        pdb.write_text("".join(line for line in pdb.read_text().splitlines(True) if not line.startswith("CONECT")))
    named = read_topology(pdb)
    molecule = read_molecule(ALA3)
    assert torch.equal(named.molecule.bonds, molecule.bonds)
    assert torch.equal(named.molecule.numbers, molecule.numbers)
    assert (named.molecule.positions - molecule.positions).abs().max() < 1e-3
    assert ("CONECT" in named.bonds_from) == keeps


def test_folder_and_molecule_file(pdb):
    assert read_topology(pdb.parent).molecule.n_atoms == 42
    assert read_topology(ALA3).topology.n_bonds == 41


@pytest.mark.filterwarnings("ignore")  # MDTraj leaves a file open that it cannot read
def test_bad_files(pdb, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_topology(tmp_path / "none.pdb")
    (tmp_path / "bad.pdb").write_text("nothing\n")
    with pytest.raises(InputError, match=r"bad\.pdb"):
        read_topology(tmp_path / "bad.pdb")
    lines = [line for line in pdb.read_text().splitlines(True) if not line.startswith(("CONECT", "TER"))]
    lines[1] = lines[1][:30] + f"{500.0:8.3f}" + lines[1][38:]
    pdb.write_text("".join(lines))
    with pytest.raises(MoleculeError, match="connected"):
        read_topology(pdb)


def test_charge(pdb):
    with pytest.raises(MoleculeError, match="charge"):
        read_topology(pdb, charge=1)
