import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.dataset import load
from pesx.training.sources.data_file import read_file
from pesx.training.sources.extxyz import ExtxyzFrames
from pesx.training.sources.settings import FileSettings
from pesx.units import KCAL_PER_MOL

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
    bare = "1\nProperties=species:S:1:pos:R:3 energy=1.0\nHe 0 0 0\n"
    path.write_text(HYDROGEN.format(spin="spin") + bare)
    with pytest.raises(InputError, match=r"no forces in frame 1"):
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


def test_labels_that_only_some_frames_have(tmp_path):
    path = tmp_path / "frames.xyz"
    both = WATER.format(trajectory="a")
    energy_only, positions = both.replace(":forces:R:3", ":other:R:3"), both.replace("energy=-76.5", "")
    path.write_text(both + energy_only + positions + positions.replace(":forces:R:3", ":other:R:3"))
    (water,) = read_file(FileSettings(str(path)), "made up").molecules
    assert water.has_energy.tolist() == [True, True, False, False]
    assert water.has_forces.tolist() == [True, False, True, False]
    np.testing.assert_allclose(water.forces[2, 0], [0.1, 0, 0], rtol=1e-6)
    with pytest.raises(InputError, match=r"came no energy in frame 2 \(2 of 4 frames\)"):
        read_file(FileSettings(str(path), labels=("energy",)), "made up")


def test_labels_of_other_names_and_units(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(WATER.format(trajectory="a").replace("energy=", "E_dft=").replace(":forces:", ":gradient:"))
    with pytest.raises(InputError, match="neither under their usual names"):
        read_file(FileSettings(str(path)), "made up")
    settings = FileSettings(
        str(path),
        energy_unit="kcal/mol",
        force_unit="kcal/mol/angstrom",
        gradients=True,
        keys={"energy": "E_dft", "forces": "gradient"},
    )
    (water,) = read_file(settings, "made up").molecules
    np.testing.assert_allclose(water.energy, -76.5 * KCAL_PER_MOL)
    np.testing.assert_allclose(water.forces[0, 0], [-0.1 * KCAL_PER_MOL, 0, 0], rtol=1e-6)


def test_levels_that_frames_name(tmp_path):
    path = tmp_path / "frames.xyz"
    low, high = (WATER.format(trajectory="a").replace("name=", f"level={level} name=") for level in ("low", "high"))
    path.write_text(low + high + low)
    dataset = read_file(FileSettings(str(path)))
    assert dataset.levels == ("low", "high")
    assert [len(molecule) for molecule in dataset.molecules] == [2, 1]
    with pytest.raises(InputError, match="expected one level, came 'low' in the file and 'other' in the settings"):
        read_file(FileSettings(str(path), level="other"))
    path.write_text(low + WATER.format(trajectory="a"))
    with pytest.raises(InputError, match="frame 1: expected its level of theory"):
        read_file(FileSettings(str(path)), "low")


def test_forces_of_the_wrong_shape(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(WATER.format(trajectory="a").replace("forces:R:3", "forces:R:2:rest:R:1"))
    with pytest.raises(InputError, match=r"forces, frame 0.*expected the shape \(3, 3\), came \(3, 2\)"):
        read_file(FileSettings(str(path)), "made up")


def test_a_charge_that_only_some_frames_of_the_same_atoms_say(tmp_path):
    path = tmp_path / "frames.xyz"
    plain = WATER.format(trajectory="a")
    path.write_text(plain.replace("name=", "charge=2 name=") + plain + HYDROGEN.format(spin="spin"))
    with pytest.raises(InputError, match=r"frames\.xyz, frame 1: expected its charge"):
        read_file(FileSettings(str(path)), "made up")
    path.write_text(plain.replace("name=", "charge=2 name=") + plain.replace("name=", "charge=0 name="))
    assert [molecule.charge for molecule in read_file(FileSettings(str(path)), "made up").molecules] == [2, 0]
