import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.snapshot import Track
from pesx.dynamics.topology import Topology, in_file_order
from pesx.molecule import Molecule

mdtraj = pytest.importorskip("mdtraj")


def test_mdtraj_reads_it_with_the_topology(molecule: Molecule, track: Callable[..., Track], tmp_path: Path) -> None:
    path, top = tmp_path / "a.dcd", tmp_path / "a.pdb"
    kind = Dcd(molecule.n_atoms, 0.5, 200)
    path.write_bytes(kind.header() + kind.encode(track(7)))
    kind.mend(path)
    ordered, _ = in_file_order(molecule)
    top.write_text(Topology.of(ordered).as_pdb(ordered.positions))
    read = mdtraj.load(str(path), top=str(top))
    assert read.n_frames == 7
    assert np.abs(10 * read.xyz - track(7).positions).max() < 1e-5
    assert read.unitcell_lengths is None


def test_the_header_has_the_time_between_frames_and_their_number(
    molecule: Molecule, track: Callable[..., Track], tmp_path: Path
) -> None:
    path = tmp_path / "a.dcd"
    kind = Dcd(molecule.n_atoms, 0.5, 200)
    path.write_bytes(kind.header() + kind.encode(track(3)))
    kind.mend(path)
    data = path.read_bytes()
    assert struct.unpack_from("<i4si", data) == (84, b"CORD", 3)
    assert struct.unpack_from("<i", data, 16)[0] == 200
    assert struct.unpack_from("<f", data, 44)[0] * 48.88821 == pytest.approx(0.5)
