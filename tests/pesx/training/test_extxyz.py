import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.dataset import load
from pesx.training.extxyz import ExtxyzFrames

WATER = """3
Properties=species:S:1:pos:R:3:forces:R:3 energy=-76.5 trajectory={trajectory} temperature=300 name=water
O 0.0 0.0 0.0 0.1 0.0 0.0
H 0.96 0.0 0.0 -0.1 0.0 0.0
H -0.24 0.93 0.0 0.0 0.0 0.0
"""
HYDROGEN = """2
Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.1 charge=1 {spin}=2
H 0.0 0.0 0.0 0.0 0.0 0.2
H 0.74 0.0 0.0 0.0 0.0 -0.2
"""


@pytest.mark.parametrize("spin", ["spin", "multiplicity"])
def test_frames_are_sorted_into_molecules(tmp_path, spin):
    path = tmp_path / "frames.xyz"
    path.write_text(
        WATER.format(trajectory="a")
        + HYDROGEN.format(spin=spin)
        + WATER.format(trajectory="a")
        + WATER.format(trajectory="b")
    )
    dataset = load(ExtxyzFrames(path, level="made up"))
    water, hydrogen = dataset.molecules
    assert (water.name, len(water), water.numbers.tolist()) == ("water", 3, [8, 1, 1])
    assert water.trajectory.tolist() == [0, 0, 1]
    assert water.temperature.tolist() == [300.0] * 3
    assert water.energy.tolist() == [-76.5] * 3
    np.testing.assert_allclose(water.forces[0, 1], [-0.1, 0, 0], rtol=1e-6)
    assert (hydrogen.charge, hydrogen.multiplicity, dataset.levels) == (1, 2, ("made up",))


def test_a_frame_without_forces_is_named(tmp_path):
    path = tmp_path / "frames.xyz"
    bare = "1\nProperties=species:S:1:pos:R:3 energy=1.0\nH 0 0 0\n"
    path.write_text(HYDROGEN.format(spin="spin") + bare)
    with pytest.raises(InputError, match=r"frame 1.*no forces"):
        ExtxyzFrames(path, level="made up")


@pytest.mark.parametrize(
    ("bad", "words"), [("charge=abc", "charge, came 'abc'"), ("temperature=hot", "temperature.*came 'hot'")]
)
def test_what_is_no_number_is_named_with_its_frame(tmp_path, bad, words):
    path = tmp_path / "frames.xyz"
    frame = HYDROGEN.format(spin="spin")
    path.write_text(frame + frame.replace("charge=1", bad))
    with pytest.raises(InputError, match=rf"frames\.xyz, frame 1: .*{words}"):
        ExtxyzFrames(path, level="made up")


def test_not_a_file(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.xyz"):
        ExtxyzFrames(tmp_path / "nothing.xyz", level="made up")
