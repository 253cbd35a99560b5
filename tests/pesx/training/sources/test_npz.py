import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.sources.data_file import read_file
from pesx.training.sources.settings import FileSettings
from pesx.units import KCAL_PER_MOL

UNITS = {"energy_unit": "kcal/mol", "length_unit": "angstrom", "force_unit": "kcal/mol/angstrom"}


@pytest.fixture
def write(tmp_path, water):
    """Write the waters under any names, with what is to be different."""

    def to(names, **other):
        arrays = {
            "positions": water.positions,
            "numbers": water.numbers,
            "energy": water.energy[:, None] / KCAL_PER_MOL,
            "forces": water.forces / KCAL_PER_MOL,
        } | other
        np.savez(tmp_path / "frames.npz", **{names.get(key, key): value for key, value in arrays.items()})
        return str(tmp_path / "frames.npz")

    return to


@pytest.mark.parametrize(
    "names",
    [
        {"positions": "R", "numbers": "z", "energy": "E", "forces": "F"},
        {"numbers": "atomic_numbers"},
        {"positions": "coords", "numbers": "nuclear_charges", "energy": "energies"},
    ],
)
def test_forms_of_md17(write, water, names):
    (molecule,) = read_file(FileSettings(write(names), **UNITS), "springs").molecules
    water.assert_read(molecule)


def test_other_names(write, water):
    names = {"positions": "X", "numbers": "Z", "energy": "U", "forces": "f"}
    path = write(names)
    with pytest.raises(InputError, match=r"an array R or positions or coords for positions, came .*keys\.positions"):
        read_file(FileSettings(path, **UNITS), "springs")
    water.assert_read(read_file(FileSettings(path, **UNITS, keys=names), "springs").molecules[0])


def test_atomic_numbers_of_each_frame_sort_into_molecules(write, water):
    numbers = np.tile([8, 1, 1], (80, 1))
    numbers[10:20] = [16, 1, 1]
    dataset = read_file(FileSettings(write({"numbers": "z"}, numbers=numbers), **UNITS), "springs")
    found = {molecule.name: molecule for molecule in dataset.molecules}
    assert {name: len(molecule) for name, molecule in found.items()} == {"H2O": 70, "H2S": 10}
    np.testing.assert_allclose(found["H2S"].energy, water.energy[10:20])


def test_one_label_only(write, water):
    path = write({"numbers": "z", "forces": "something else"})
    water.assert_read(read_file(FileSettings(path, **UNITS), "springs").molecules[0], forces=False)


def test_two_arrays_for_one_quantity(write, water):
    path = write({"numbers": "z"}, E=water.energy)
    with pytest.raises(InputError, match="one array for energy, came E and energy"):
        read_file(FileSettings(path, **UNITS), "springs")
    read_file(FileSettings(path, **UNITS, keys={"energy": "energy"}), "springs")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"positions": np.zeros((80, 9))}, r"positions of shape \(K, N, 3\)"),
        ({"numbers": np.array([8, 1])}, r"came \(80, 3, 3\) and \(2,\)"),
        ({"energy": np.zeros(79)}, r"one for each of 80 frames, came the shape \(79,\)"),
        ({"forces": np.zeros((80, 3, 2))}, r"forces: expected the shape \(80, 3, 3\), came \(80, 3, 2\)"),
        ({"energy": np.array([{}] * 80)}, "numpy does not read.*Write plain arrays"),
        ({"numbers": np.array(["O", "H", "H"])}, "numbers: expected atomic numbers, .* came .*O"),
    ],
)
def test_arrays_that_are_wrong(write, other, words):
    with pytest.raises(InputError, match=words):
        read_file(FileSettings(write({"numbers": "z"}, **other), **UNITS), "springs")


def test_not_an_archive(tmp_path):
    path = tmp_path / "frames.npz"
    path.write_text("no archive")
    with pytest.raises(InputError, match=r"numpy archive \(npz\)|numpy does not read"):
        read_file(FileSettings(str(path), **UNITS), "springs")
