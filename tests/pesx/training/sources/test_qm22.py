import zipfile

import pytest

from pesx.errors import InputError
from pesx.training.sources.data_file import read_file
from pesx.training.sources.settings import FileSettings
from pesx.units import BOHR, HARTREE


@pytest.fixture
def text(water):
    frames = []
    for positions, energy, forces in zip(water.positions, water.energy, water.forces, strict=True):
        rows = zip(("O", "H", "H"), positions, -forces * BOHR / HARTREE, strict=True)
        atoms = "".join(f"{symbol} {' '.join(f'{x:.12f}' for x in (*at, *slope))}\n" for symbol, at, slope in rows)
        frames.append(f"   3\n  {energy / HARTREE:.14f}\n{atoms}")
    return "".join(frames)


def read(path, **settings):
    return read_file(FileSettings(str(path), format="qm22", **settings), "springs")


def test_a_text_file_and_the_same_in_an_archive(tmp_path, text, water):
    (tmp_path / "water.xyz").write_text(text)
    with zipfile.ZipFile(tmp_path / "water.zip", "w") as archive:
        archive.writestr("water.xyz", text)
    for name in ("water.xyz", "water.zip"):
        (molecule,) = read(tmp_path / name).molecules
        water.assert_read(molecule)


def test_the_columns_are_gradients(tmp_path, text):
    (tmp_path / "water.xyz").write_text(text)
    with pytest.raises(InputError, match="gradients = true"):
        read(tmp_path / "water.xyz", gradients=False)


def test_an_archive_of_several_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "water.zip", "w") as archive:
        archive.writestr("a.xyz", "")
        archive.writestr("b.xyz", "")
    with pytest.raises(InputError, match="expected one file in the archive, came 2"):
        read(tmp_path / "water.zip")


@pytest.mark.parametrize(
    "broken",
    [
        "3\n-76.0\nO 0 0 0 0 0 0\n",
        "1\nlow\nO 0 0 0 0 0 0\n",
        "1\n-75.0\nO 0 0 0\n",
        "1\n-75.0\nQq 0 0 0 0 0 0\n",
        "0\n0\n",
    ],
)
def test_the_line_of_a_broken_frame_is_named(tmp_path, text, broken):
    (tmp_path / "water.xyz").write_text("".join(text.splitlines(keepends=True)[:10]) + broken)
    with pytest.raises(InputError, match=r"water\.xyz: expected the number of atoms.*from line 11"):
        read(tmp_path / "water.xyz")


def test_not_text(tmp_path):
    (tmp_path / "water.xyz").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "water.xyz")
