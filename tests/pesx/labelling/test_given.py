from pathlib import Path

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.labelling.given import given_frames

TEXT = (
    "1\nProperties=species:S:1:pos:R:3 name=a source=thermal trajectory=t\nH 0 0 1\n"
    "1\nProperties=species:S:1:pos:R:3 name=a charge=1\nH 0 0 2\n"
)


def test_frames_know_molecule_source_and_origin(tmp_path: Path) -> None:
    for name in ("one.extxyz", "two.extxyz"):
        (tmp_path / name).write_text(TEXT)
    frames = given_frames(tmp_path / "one.extxyz", tmp_path / "two.extxyz")
    assert [(frame.molecule.name, frame.molecule.charge) for frame in frames] == [("a", 0), ("a#2", 1)] * 2
    assert [(frame.source, frame.trajectory) for frame in frames] == [("thermal", "t"), ("given", "")] * 2
    np.testing.assert_array_equal(frames[1].positions, [[0.0, 0.0, 2.0]])


@pytest.mark.parametrize(
    ("symbol", "info", "words"),
    [
        ("H", "charge=2", "electrons can have, came 2 and 1"),
        ("He", "spin=4", "came 0 and 4"),
        ("X", "", "known elements"),
    ],
)
def test_atoms_that_no_engine_can_have(tmp_path: Path, symbol: str, info: str, words: str) -> None:
    path = tmp_path / "one.extxyz"
    path.write_text(TEXT + f"1\nProperties=species:S:1:pos:R:3 {info}\n{symbol} 0 0 0\n")
    with pytest.raises(InputError, match=rf"one\.extxyz, frame 2: .*{words}"):
        given_frames(path)
