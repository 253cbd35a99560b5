from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pesx.dynamics.formats.hdf5 import Hdf5
from pesx.dynamics.snapshot import Track
from pesx.dynamics.topology import Topology, in_file_order
from pesx.molecule import Molecule

h5py = pytest.importorskip("h5py")


@pytest.fixture
def written(molecule: Molecule, track: Callable[..., Track], tmp_path: Path) -> Path:
    kind = Hdf5(molecule.n_atoms, Topology.of(in_file_order(molecule)[0]).as_mdtraj())
    path = tmp_path / "a.frames"
    path.write_bytes(kind.encode(track(4)) + kind.encode(track(3, first=4)))
    kind.finish(path)
    return tmp_path / "a.h5"


def test_it_has_the_columns_of_mdtraj_in_their_units(written: Path, track: Callable[..., Track]) -> None:
    expected = track(7)
    with h5py.File(written) as file:
        assert file.attrs["conventions"] == b"Pande"
        assert np.abs(10 * file["coordinates"][:] - expected.positions).max() < 1e-5
        assert np.abs(0.01 * file["velocities"][:] - expected.velocities).max() < 1e-7
        assert np.allclose(file["time"][:], expected.time)
        assert np.allclose(file["potentialEnergy"][:] * 0.0103642697, expected.potential, rtol=1e-6)
        assert np.allclose(file["temperature"][:], expected.temperature)
        assert file["coordinates"].attrs["units"] == b"nanometers"
    assert [path.suffix for path in written.parent.iterdir() if path.suffix == ".partial"] == []


def test_mdtraj_reads_it_without_a_topology_beside_it(written: Path, track: Callable[..., Track]) -> None:
    mdtraj = pytest.importorskip("mdtraj")
    pytest.importorskip("tables", reason="MDTraj reads HDF5 with PyTables")
    read = mdtraj.load(str(written))
    assert np.abs(10 * read.xyz - track(7).positions).max() < 1e-5
    assert [residue.name for residue in read.topology.residues] == ["ACE", "GLY", "NME"]
    assert mdtraj.compute_phi(read)[1].shape == (7, 1)
