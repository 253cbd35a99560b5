from pathlib import Path

import pytest

from pesx.chemistry.read import read_molecule
from pesx.dynamics.folder import Lock, files_of, require_empty
from pesx.dynamics.settings import DynamicsSettings
from pesx.dynamics.topology import Topology
from pesx.errors import InputError, RunFolderError


@pytest.mark.parametrize(
    ("name", "suffix"), [("dcd", ".dcd"), ("xtc", ".xtc"), ("hdf5", ".frames"), ("extxyz", ".extxyz")]
)
def test_every_replica_has_a_trajectory_and_energies(name: str, suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("mdtraj")
    settings = DynamicsSettings("CCO", temperature=(300.0, 500.0), replicas=2, format=name)
    files = files_of(tmp_path, settings, Topology.of(read_molecule("CCO")))
    assert [file.path.relative_to(tmp_path).as_posix() for file in files[3]] == [
        f"trajectories/replica_0003{suffix}",
        "energies/replica_0003.csv",
    ]
    assert list(files) == [0, 1, 2, 3]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    lock = Lock.held(tmp_path)
    with pytest.raises(RunFolderError, match="another process"):
        Lock.held(tmp_path)
    lock.release()
    Lock.held(tmp_path).release()


@pytest.mark.parametrize(("name", "said"), [("checkpoint.safetensors", "--resume"), ("topology.pdb", "of its own")])
def test_nothing_is_written_over(name: str, said: str, tmp_path: Path) -> None:
    require_empty(tmp_path)
    require_empty(tmp_path / "new")
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=said):
        require_empty(tmp_path)
