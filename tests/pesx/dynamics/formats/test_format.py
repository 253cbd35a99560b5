"""What every format has to keep: it grows by appending, and the parts make the whole."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.formats.energies import Energies
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.formats.format import Format
from pesx.dynamics.formats.hdf5 import Hdf5
from pesx.dynamics.formats.xtc import Xtc
from pesx.dynamics.snapshot import Track
from pesx.dynamics.topology import Topology, in_file_order
from pesx.molecule import Molecule


def made(name: str, molecule: Molecule, folder: Path) -> Format:
    if name == "hdf5":
        pytest.importorskip("h5py")
        return Hdf5(molecule.n_atoms, Topology.of(in_file_order(molecule)[0]).as_mdtraj())
    if name == "xtc":
        pytest.importorskip("mdtraj")
        return Xtc(0.5, folder)
    return {"dcd": Dcd(molecule.n_atoms, 0.5, 200), "extxyz": Extxyz(molecule.symbols), "csv": Energies()}[name]


@pytest.mark.parametrize("name", ["dcd", "xtc", "extxyz", "hdf5", "csv"])
def test_frames_in_parts_are_the_frames_at_once(
    name: str, molecule: Molecule, track: Callable[..., Track], tmp_path: Path
) -> None:
    kind = made(name, molecule, tmp_path)
    parts = kind.encode(track(2)) + kind.encode(track(1, first=2)) + kind.encode(track(4, first=3))
    assert parts == kind.encode(track(7))
    assert len(parts) > 0
    assert list(tmp_path.iterdir()) == []  # nothing is left lying about
