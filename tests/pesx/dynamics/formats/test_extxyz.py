from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np

from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.snapshot import Track
from pesx.molecule import Molecule


def test_ase_reads_positions_velocities_forces_and_energies(
    molecule: Molecule, track: Callable[..., Track], tmp_path: Path
) -> None:
    path = tmp_path / "a.extxyz"
    path.write_bytes(Extxyz(molecule.symbols, charge=1, multiplicity=2).encode(track(3)))
    frames = ase.io.read(path, index=":")
    expected = track(3)
    assert np.abs(np.stack([frame.positions for frame in frames]) - expected.positions).max() < 1e-9
    assert np.abs(np.stack([frame.get_forces() for frame in frames]) - expected.forces).max() < 1e-9
    assert np.abs(np.stack([frame.arrays["velocities"] for frame in frames]) - expected.velocities).max() < 1e-9
    assert [frame.get_potential_energy() for frame in frames] == expected.potential.tolist()
    assert frames[2].info["time_ps"] == 0.2
    assert (frames[2].info["charge"], frames[2].info["spin"], frames[2].info["replica"]) == (1, 2, 3)
    assert frames[0].get_chemical_formula() == molecule.formula
