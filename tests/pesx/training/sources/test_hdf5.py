import sys

import numpy as np
import pytest

from pesx.errors import InputError, MissingExtraError
from pesx.training.sources.data_file import read_file
from pesx.training.sources.settings import FileSettings
from pesx.units import BOHR, HARTREE

UNITS = {"energy_unit": "hartree", "length_unit": "bohr", "force_unit": "hartree/bohr"}


@pytest.fixture
def spice(tmp_path, water):
    h5py = pytest.importorskip("h5py", reason="needs h5py, the extra hdf5")
    path = tmp_path / "spice.hdf5"
    with h5py.File(path, "w") as file:
        group = file.create_group("water")
        group["atomic_numbers"] = water.numbers
        group["conformations"] = water.positions / BOHR
        group["conformations"].attrs["units"] = "bohr"
        group["dft_total_energy"] = water.energy / HARTREE
        group["dft_total_gradient"] = -water.forces * BOHR / HARTREE
        file.create_group("notes")
    return path


@pytest.fixture
def change(spice):
    """Change the group of water."""
    import h5py

    def by(function):
        with h5py.File(spice, "r+") as file:
            function(file["water"])
        return str(spice)

    return by


def read(path, **settings):
    return read_file(FileSettings(str(path), **UNITS | settings), "springs").molecules[0]


def test_a_file_like_spice(spice, water):
    molecule = read(spice)
    water.assert_read(molecule)
    assert (molecule.name, molecule.charge, molecule.multiplicity) == ("water", 0, 1)


def test_units_are_required(spice):
    with pytest.raises(InputError, match="expected length_unit, came none"):
        read(spice, length_unit="")


def test_a_unit_that_the_file_contradicts(spice):
    with pytest.raises(InputError, match=r"conformations: expected the unit 'nm', but the file says 'bohr'"):
        read(spice, length_unit="nm")


def test_other_names(change, water):
    def rename(group):
        group.move("dft_total_energy", "energy")
        group["forces"] = -group["dft_total_gradient"][()]
        group["energy"].attrs["units"] = b"Hartree"

    path = change(rename)
    keys = {"energy": "energy", "forces": "forces"}
    water.assert_read(read(path, keys=keys, gradients=False))
    with pytest.raises(InputError, match="gradients = true or false"):
        read(path, keys=keys)
    with pytest.raises(InputError, match=r"group 'water': expected a data set 'E', came atomic_numbers.*keys\.energy"):
        read(path, keys={"energy": "E"})
    with pytest.raises(InputError, match="groups with a data set 'x', found none"):
        read(path, keys={"positions": "x"})


def test_charge_from_the_smiles_or_said_outright(change):
    def protonate(group):
        group["smiles"] = ["[O+:1]([H:2])[H:3]"]

    def say(group):
        group.attrs["charge"] = -1
        group["multiplicity"] = 2

    path = change(protonate)
    with pytest.raises(InputError, match=r"fits 9 electrons at the charge 1"):
        read(path)
    assert read(path, multiplicity=2).charge == 1
    molecule = read(change(say))
    assert (molecule.charge, molecule.multiplicity) == (-1, 2)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("charge", 0.5, "whole number for charge, came"), ("smiles", "C(", "expected a SMILES, came 'C")],
)
def test_a_charge_that_cannot_be_read(change, key, value, words):
    path = change(lambda group: group.__setitem__(key, value))
    with pytest.raises(InputError, match=words):
        read(path)


def test_not_hdf5(tmp_path):
    pytest.importorskip("h5py", reason="needs h5py, the extra hdf5")
    path = tmp_path / "text.h5"
    path.write_text("no HDF5")
    with pytest.raises(InputError, match="Expected an HDF5 file"):
        read(path)


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "h5py", raising=False)
    path = tmp_path / "any.h5"
    path.touch()
    with pytest.raises(MissingExtraError, match=r"pesx\[hdf5\]"):
        read(path)


def test_energies_that_are_no_numbers(change):
    def break_(group):
        group["dft_total_energy"][5] = np.nan

    with pytest.raises(InputError, match="energy: expected finite numbers, came NaN or infinity in frame 5"):
        read(change(break_))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("conformations", 3.0, r"conformations: expected the shape \(K, N, 3\), came \(\)"),
        ("conformations", np.zeros((3, 3)), r"conformations: expected the shape \(K, N, 3\), came \(3, 3\)"),
        ("atomic_numbers", [b"O", b"H", b"H"], "atomic_numbers: expected atomic numbers"),
    ],
)
def test_data_sets_of_another_form(change, key, value, words):
    def put(group):
        del group[key]
        group[key] = value

    with pytest.raises(InputError, match=rf"group 'water', {words}"):
        read(change(put))
