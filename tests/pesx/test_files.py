import os
from pathlib import Path

import pytest

from pesx.files import write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.json"
    write_whole(path, "one")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "t" * 100_000 + "\ud800")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_stay_as_they_are(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"\x00\r\n\xff")
    assert path.read_bytes() == b"\x00\r\n\xff"


def test_two_processes_do_not_write_into_each_other(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda partial, target: (seen.append(partial.name), replace(partial, target))[1]
    )
    for process in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        write_whole(path, str(process))
    assert len(set(seen)) == 2
    assert list(tmp_path.iterdir()) == [path]
