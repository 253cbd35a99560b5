from pathlib import Path

import pytest
import torch

from pesx.dynamics.checkpoint import Checkpoint
from pesx.errors import RunFolderError, WrongFolderError

STATE = Checkpoint({"a.b": torch.arange(6.0).reshape(2, 3), "n": torch.zeros(0, 4)}, {"n_done": 7, "ended": []})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    STATE.write(path)
    read = Checkpoint.read(path)
    assert torch.equal(read.tensors["a.b"], STATE.tensors["a.b"])
    assert read.tensors["n"].shape == (0, 4)
    assert read.values == STATE.values
    assert [item.name for item in tmp_path.iterdir()] == ["c.safetensors"]


def test_one_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.safetensors"
    STATE.write(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        Checkpoint({}, {"n_done": 8}).write(path)
    assert Checkpoint.read(path).values["n_done"] == 7
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_without_one_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(WrongFolderError, match="Expected a run of pesx md"):
        Checkpoint.read(tmp_path / "c.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_damaged_one_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match="cannot be read"):
        Checkpoint.read(path)


def test_one_of_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.safetensors"
    monkeypatch.setattr("pesx.dynamics.checkpoint._VERSION", 2)
    STATE.write(path)
    monkeypatch.undo()
    with pytest.raises(RunFolderError, match="Update pesx"):
        Checkpoint.read(path)
