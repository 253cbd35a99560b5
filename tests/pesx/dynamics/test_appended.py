import os
from pathlib import Path

import numpy as np
import pytest

from pesx.dynamics.appended import Appended
from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.snapshot import Track
from pesx.errors import RunFolderError


def track(n_frames: int, first: int = 0) -> Track:
    one = np.arange(first, first + n_frames, dtype=float)
    vectors = one[:, None, None] + np.zeros((n_frames, 2, 3))
    return Track(np.zeros(n_frames), one, vectors, vectors, vectors, one, one, one, one)


@pytest.fixture
def file(tmp_path: Path) -> Appended:
    return Appended(tmp_path / "a.dcd", Dcd(2, 0.5, 10))


def test_cut_back_and_written_again_it_has_the_same_bytes(file: Appended) -> None:
    file.add(track(3))
    size = file.size()
    file.add(track(2, first=3))
    whole = file.path.read_bytes()
    file.cut(size)
    assert file.size() == size
    file.add(track(2, first=3))
    assert file.path.read_bytes() == whole
    file.cut(0)
    assert not file.path.exists()
    file.add(track(5))
    assert file.path.read_bytes() == whole


def test_a_frame_that_is_written_in_part_is_taken_back(file: Appended, monkeypatch: pytest.MonkeyPatch) -> None:
    file.add(track(3))
    before, write = file.path.read_bytes(), os.write
    calls = []

    def short(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:10])

    monkeypatch.setattr("os.write", short)
    with pytest.raises(OSError, match=r"No space left.*a\.dcd"):
        file.add(track(2, first=3))
    monkeypatch.undo()
    assert len(calls) == 2
    assert file.path.read_bytes() == before


def test_a_file_shorter_than_it_was_is_no_longer_that_of_the_run(file: Appended) -> None:
    file.add(track(3))
    with pytest.raises(RunFolderError, match="The file was changed"):
        file.cut(file.size() + 1)


def test_there_may_be_no_file_yet(file: Appended) -> None:
    file.cut(0)
    file.save()
    file.finish()
    assert file.size() == 0
