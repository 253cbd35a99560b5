import tarfile

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.sources.data_file import read_file
from pesx.training.sources.settings import FileSettings
from pesx.units import KCAL_PER_MOL

TABLE = "  # , Model , Ref. (kcal/mol)\n 1 , a_b_1 , 2.5\n 2 , a_b_2 , 4.0\n 1 , ion_1 , 1.0\n"


@pytest.fixture
def folder(tmp_path, waters):
    (tmp_path / "peptide" / "xyz").mkdir(parents=True)
    (tmp_path / "peptide" / "peptide.csv").write_text(TABLE)
    for name, symbols, electrons, n in (("a_b", "OHH", "0 1", 3), ("ion", "FHH", "1 1", 2)):
        for number, positions in enumerate(waters(n).positions):
            rows = "".join(f"{symbol} {x} {y} {z}\n" for symbol, (x, y, z) in zip(symbols, positions, strict=True))
            (tmp_path / "peptide" / "xyz" / f"{name}_{number}.xyz").write_text(f"3\n{electrons}\n{rows}")
    return tmp_path


def read(path, **settings):
    return read_file(FileSettings(str(path), format="pepconf", **settings), "springs")


def test_energies_are_relative_to_conformer_zero(folder, waters):
    first, second = read(folder).molecules
    assert (first.name, first.charge, first.multiplicity, first.is_relative) == ("a_b", 0, 1, True)
    np.testing.assert_allclose(first.energy, np.array([0.0, 2.5, 4.0]) * KCAL_PER_MOL)
    np.testing.assert_allclose(first.positions, waters(3).positions, atol=1e-6)
    assert not first.has_forces.any()
    assert (second.name, second.charge, second.numbers.tolist()) == ("ion", 1, [9, 1, 1])


def test_structures_in_an_archive(folder):
    expected = read(folder).digest()
    archive = folder / "structures.tar.gz"
    with tarfile.open(archive, "w:gz") as members:
        members.add(folder / "peptide" / "xyz", arcname="peptide/xyz")
    assert read(archive).digest() == expected
    for file in (folder / "peptide" / "xyz").iterdir():
        file.unlink()
    assert read(folder).digest() == expected


def test_molecules_of_some_elements(folder):
    assert [molecule.name for molecule in read(folder, elements=(1, 8)).molecules] == ["a_b"]


def test_a_conformer_without_an_energy(folder):
    (folder / "peptide" / "peptide.csv").write_text(TABLE.replace(" 1 , a_b_1 , 2.5\n", ""))
    assert read(folder).molecules[0].has_energy.tolist() == [True, False, True]


def test_a_table_in_another_unit(folder):
    (folder / "peptide" / "peptide.csv").write_text(TABLE.replace("kcal", "kJ"))
    with pytest.raises(InputError, match=r"peptide\.csv: expected the unit 'kcal/mol', but the file says 'kJ/mol'"):
        read(folder)
    np.testing.assert_allclose(read(folder, energy_unit="kJ/mol").molecules[0].energy[1], 2.5 * KCAL_PER_MOL / 4.184)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("peptide.csv", TABLE + "3, a_b_3, 7\n", r"expected a structure a_b_3\.xyz"),
        ("peptide.csv", TABLE + "3, a_b_3\n", "line 5: expected number, name and energy"),
        ("xyz/a_b_1.xyz", "3\n0 1\nH 0 0 0\n", r"a_b_1\.xyz: expected the number of atoms"),
        ("xyz/a_b_1.xyz", "1\ncomment\nH 0 0 0\n", r"a_b_1\.xyz: expected the number of atoms"),
        ("xyz/a_b_1.xyz", "3\n0 1\nH 0 0 0\nO 1 0 0\nH 2 0 0\n", "the same atoms in the same order.*a_b_1"),
        ("xyz/plain.xyz", "1\n0 1\nHe 0 0 0\n", "a name like ALA_GLY_3"),
    ],
)
def test_files_that_are_wrong(folder, file, text, words):
    (folder / "peptide" / file).write_text(text)
    with pytest.raises(InputError, match=words):
        read(folder)


def test_two_structures_of_one_name(folder):
    (folder / "peptide" / "a_b_1.xyz").write_text((folder / "peptide" / "xyz" / "a_b_1.xyz").read_text())
    with pytest.raises(InputError, match="came a second"):
        read(folder)


def test_no_tables(folder):
    (folder / "peptide" / "peptide.csv").unlink()
    with pytest.raises(InputError, match=r"tables of energies \(\*\.csv\)"):
        read(folder)


def test_no_archive(folder):
    (folder / "peptide" / "notes.txt").write_text("no archive")
    with pytest.raises(InputError, match="a folder or a tar archive"):
        read(folder / "peptide" / "notes.txt")
