from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import ConfigError, InputError
from pesx.training.dataset import load
from pesx.training.sources.columns import Columns
from pesx.training.sources.file_frames import BLOCK, FileFrames
from pesx.training.sources.settings import FileSettings
from pesx.units import BOHR, HARTREE

SETTINGS = FileSettings(
    "some.file", level="springs", energy_unit="eV", length_unit="angstrom", force_unit="eV/angstrom", gradients=False
)


def read(columns, **settings):
    (molecule,) = load(FileFrames(replace(SETTINGS, **settings), [columns])).molecules
    return molecule


@pytest.fixture
def columns(water):
    return Columns(water.numbers, water.positions, energy=water.energy, forces=water.forces)


def test_units_are_converted(water):
    atomic = Columns(
        water.numbers, water.positions / BOHR, energy=water.energy / HARTREE, forces=-water.forces * BOHR / HARTREE
    )
    units = {"energy_unit": "hartree", "length_unit": "bohr", "force_unit": "hartree/bohr"}
    molecule = read(atomic, **units, gradients=True)
    water.assert_read(molecule)
    assert (molecule.name, molecule.charge, molecule.multiplicity) == ("H2O", 0, 1)


@pytest.mark.parametrize("labels", [(), ("energy",), ("forces",), ("energy", "forces")])
def test_labels_to_use(columns, water, labels):
    water.assert_read(read(columns, labels=labels), energy="energy" in labels, forces="forces" in labels)


def test_units_of_labels_that_are_not_used_need_not_be_said(columns):
    assert not read(columns, labels=("energy",), force_unit="").has_forces.any()
    with pytest.raises(ConfigError, match=r"some\.file: expected force_unit, came none"):
        read(columns, force_unit="")


def test_a_choice_of_frames(columns, water):
    np.testing.assert_allclose(read(columns, start=10, stop=40, step=10).energy, water.energy[[10, 20, 30]])


def test_temperature_of_frames_that_do_not_say_it(columns):
    said = np.where(np.arange(len(columns)) == 3, 500.0, np.nan)
    temperature = read(replace(columns, temperature=said), temperature=300.0, stop=5).temperature
    assert temperature.tolist() == [300, 300, 300, 500, 300]


def test_other_elements_are_left_out(columns):
    assert FileFrames(replace(SETTINGS, elements=(1, 6)), [columns]).molecules() == []
    assert len(FileFrames(replace(SETTINGS, elements=(1, 8, 9)), [columns]).molecules()) == 1


def test_relative_energies(columns):
    molecule = read(columns, relative=True)
    assert molecule.is_relative
    assert np.bincount(molecule.trajectory).tolist() == [2] * 40


def test_frames_in_the_order_of_time_are_held_out_together(waters):
    walk, drawn = (
        Columns(one.numbers, one.positions, energy=one.energy) for one in (waters(100, walk=True), waters(100))
    )
    assert np.bincount(read(walk).trajectory).tolist() == [BLOCK] * (100 // BLOCK)
    assert np.bincount(read(drawn).trajectory).tolist() == [1] * 100
    assert np.bincount(read(drawn, trajectory_frames=50).trajectory).tolist() == [50, 50]


def test_trajectories_that_the_file_names_are_kept(columns):
    named = np.where(np.arange(len(columns)) < 30, "a", "")
    trajectory = read(replace(columns, trajectory=named), trajectory_frames=25).trajectory
    assert sorted(np.bincount(trajectory)) == [5, 20, 25, 30]


@pytest.mark.parametrize("key", ["energy", "forces", "positions"])
def test_not_a_number_is_named_with_its_frame(columns, key):
    broken = getattr(columns, key).copy()
    broken[7] = np.nan
    with pytest.raises(InputError, match=rf"some\.file, molecule 'H2O', {key}: .*NaN or infinity in frame 7 \(1 of 80"):
        read(replace(columns, **{key: broken}))


@pytest.mark.parametrize(("key", "shape"), [("forces", (80, 3, 2)), ("energy", (80, 2)), ("forces", (80, 9))])
def test_labels_of_the_wrong_shape(columns, key, shape):
    with pytest.raises(InputError, match=rf"{key}: expected the shape \(80,.*came \({shape[0]}, {shape[1]}"):
        read(replace(columns, **{key: np.zeros(shape)}))


def test_texts_for_numbers(columns):
    with pytest.raises(InputError, match="energy: expected numbers"):
        read(replace(columns, energy=np.array(["low"] * 80)))


def test_a_label_that_was_asked_for_and_is_not_there(columns):
    with pytest.raises(InputError, match=r"came no forces in frame 0 \(80 of 80 frames\)"):
        read(replace(columns, forces=None), labels=("energy", "forces"))


def test_no_level_of_theory(columns):
    with pytest.raises(ConfigError, match="expected the level of theory"):
        read(columns, level="")


@pytest.mark.parametrize(
    ("what", "of_file", "of_settings"), [("charge", 0, 2), ("multiplicity", 1, 3), ("name", "water", "ice")]
)
def test_a_file_that_its_settings_contradict(columns, what, of_file, of_settings):
    with pytest.raises(InputError, match=f"one {what}, came {of_file!r} in the file and {of_settings!r}"):
        read(replace(columns, **{what: of_file}), **{what: of_settings})


@pytest.mark.parametrize("wrong", [{"charge": 1}, {"multiplicity": 2}, {"charge": 12}, {"multiplicity": 13}])
def test_electrons_that_do_not_fit(columns, wrong):
    with pytest.raises(InputError, match=r"multiplicity \(2S\+1\) that fits"):
        read(columns, **wrong)
    assert read(columns, charge=1, multiplicity=2).charge == 1


def test_an_element_that_does_not_exist(columns):
    with pytest.raises(InputError, match=r"atomic numbers from 1 to 118, came \[8, 1, 0\]"):
        read(replace(columns, numbers=np.array([8, 1, 0])))


def test_units_are_checked(columns):
    with pytest.raises(InputError, match="length_unit"):
        read(columns, length_unit="nm")


def test_positions_of_one_frame_alone(columns):
    with pytest.raises(InputError, match=r"positions: expected the shape \(K, 3, 3\) of K frames, came \(3, 3\)"):
        read(replace(columns, positions=columns.positions[0]))
