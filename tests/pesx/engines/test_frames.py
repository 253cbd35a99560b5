import pytest
from ase import Atoms

from pesx.engines.frames import frame_identity, read_frames
from pesx.errors import InputError


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, ("HO", 0, 1)),
        ({"name": "ion", "charge": -1}, ("ion", -1, 1)),
        ({"charge": 1.0, "spin": 3, "multiplicity": 1}, ("HO", 1, 3)),
        ({"multiplicity": 2}, ("HO", 0, 2)),
    ],
)
def test_what_a_frame_says_and_what_it_leaves_out(said, meant):
    assert frame_identity(Atoms("OH", info=said), where="here") == meant


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"charge": "abc"}, "charge, came 'abc'"),
        ({"charge": 0.5}, "charge, came 0.5"),
        ({"charge": float("nan")}, "charge, came nan"),
        ({"charge": [1, 2]}, "charge"),
        ({"spin": "singlet"}, "spin"),
        ({"spin": 0}, "spin.*came 0"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_place(said, words):
    with pytest.raises(InputError, match=f"file, frame 3: .*{words}"):
        frame_identity(Atoms("OH", info=said), where="file, frame 3")


def test_all_frames_of_a_file(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text("1\ncharge=1\nH 0 0 0\n" * 3)
    assert [atoms.info["charge"] for atoms in read_frames(path)] == [1, 1, 1]


@pytest.mark.parametrize("text", ["", "2\n\nH 0 0 0\n", "many words\nand no atoms\n"])
def test_what_is_no_structure(text, tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(text)
    with pytest.raises(InputError, match=r"frames\.xyz"):
        read_frames(path)


def test_an_element_that_is_none_is_named(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text("1\n\nQq 0 0 0\n")
    with pytest.raises(InputError, match="does not know 'Qq'"):
        read_frames(path)
