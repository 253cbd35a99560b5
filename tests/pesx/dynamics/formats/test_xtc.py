from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pesx.chemistry.read import read_molecule
from pesx.dynamics.formats import xtc
from pesx.dynamics.formats.xtc import Xtc
from pesx.dynamics.snapshot import Track

mdtraj = pytest.importorskip("mdtraj")


def test_mdtraj_reads_what_was_appended(track: Callable[..., Track], tmp_path: Path) -> None:
    path = tmp_path / "a.xtc"
    kind = Xtc(0.5, tmp_path)
    path.write_bytes(kind.encode(track(4)) + kind.encode(track(3, first=4)))
    with mdtraj.formats.XTCTrajectoryFile(str(path)) as file:
        xyz, time, step, box = file.read()
    assert np.abs(10 * xyz - track(7).positions).max() <= 0.0051
    assert np.allclose(time, 0.1 * np.arange(7))
    assert step.tolist() == [0, 200, 400, 600, 800, 1000, 1200]
    assert box is None


@pytest.mark.parametrize("smiles", ["O", "CCO"])  # up to nine atoms are not compressed
def test_frames_cut_short_are_noticed(smiles: str, tmp_path: Path) -> None:
    positions = read_molecule(smiles).positions.numpy()
    n_atoms = len(positions)
    zeros = np.zeros((2, n_atoms, 3))
    one = np.zeros(2)
    track = Track(one, one, np.stack([positions] * 2), zeros, zeros, one, one, one, one)
    data = Xtc(0.5, tmp_path).encode(track)
    assert xtc._count(data) == 2
    assert all(xtc._count(data[:end]) < 2 for end in range(1, len(data)))


def test_a_disk_that_takes_only_a_part_is_an_error(
    track: Callable[..., Track], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: whole(path)[:-8])
    with pytest.raises(OSError, match="No space left"):
        Xtc(0.5, tmp_path).encode(track(2))
    assert list(tmp_path.iterdir()) == []
