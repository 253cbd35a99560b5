import numpy as np
import pytest

from pesx.errors import ConfigError, InputError
from pesx.training.sources.data_file import FORMATS, format_of, read_data_file
from pesx.training.sources.settings import FileSettings
from pesx.units import KCAL_PER_MOL

UNITS = 'energy_unit = "kcal/mol"\nlength_unit = "angstrom"\nforce_unit = "kcal/mol/angstrom"\n'


@pytest.fixture
def folder(tmp_path, water):
    np.savez(
        tmp_path / "water.npz",
        R=water.positions,
        z=water.numbers,
        E=water.energy / KCAL_PER_MOL,
        F=water.forces / KCAL_PER_MOL,
    )
    symbols = ["O", "H", "H"]
    frames = []
    for positions, energy in zip(water.positions, water.energy, strict=True):
        rows = "".join(f"{s} {x:.9f} {y:.9f} {z:.9f}\n" for s, (x, y, z) in zip(symbols, positions, strict=True))
        frames.append(f"3\nProperties=species:S:1:pos:R:3 energy={energy:.9f}\n{rows}")
    (tmp_path / "energies.xyz").write_text("".join(frames))
    return tmp_path


def read(folder, text):
    (folder / "data.toml").write_text(text)
    return read_data_file(folder / "data.toml")


def test_files_of_several_formats_and_levels(folder, water):
    text = f"""level = "low"
[[files]]
path = "water.npz"
{UNITS}stop = 50
temperature = 500
[[files]]
path = "energies.xyz"
level = "high"
relative = true
[[files]]
path = "water.npz"
{UNITS}start = 50
labels = []
"""
    dataset = read(folder, text)
    low, high = dataset.molecules
    assert dataset.levels == ("low", "high")
    assert (len(low), low.has_forces.sum(), low.has_energy.sum()) == (80, 50, 50)
    assert np.nansum(low.temperature) == 50 * 500
    assert (low.is_relative, high.is_relative) == (False, True)
    water.assert_read(high, forces=False)


def test_paths_are_relative_to_the_data_file(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert len(read(folder, f'level = "a"\n[[files]]\npath = "water.npz"\n{UNITS}')) == 80


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("level = 3\n", "a text for the setting 'level'"),
        ('level = "a"\n', "'files'; it is missing"),
        ('[[files]]\npath = "water.npz"\nunits = "eV"\n', "Unknown setting 'files.units'"),
        ('[[files]]\npath = "none.npz"\n', r"Expected labels at .*none\.npz"),
        ('[[files]]\npath = "water.npz"\nenergy_unit = "Ry"\n', "came 'Ry'. Known are ev"),
        (
            '[[files]]\npath = "water.npz"\nformat = "zip"\n',
            "a format out of extxyz, npz, hdf5, qm22, pepconf, came 'zip'",
        ),
        ('[[files]]\npath = "."\n', "expected its format, which the ending does not say"),
        (f'[[files]]\npath = "water.npz"\nkeys = {{ box = "L" }}\n{UNITS}', "came 'box'"),
    ],
)
def test_settings_that_are_wrong_name_the_data_file(folder, text, words):
    with pytest.raises(ConfigError, match=rf"data\.toml: .*{words}"):
        read(folder, text)


def test_a_level_of_theory_is_required(folder):
    with pytest.raises(ConfigError, match=r"water\.npz: expected the level of theory"):
        read(folder, f'[[files]]\npath = "water.npz"\n{UNITS}')


@pytest.mark.parametrize("choice", ["elements = [1, 6]", "start = 80"])
def test_no_frame_is_left(folder, choice):
    with pytest.raises(InputError, match=r"water\.npz: expected frames, but of 80 in 1 molecules none is left"):
        read(folder, f'level = "a"\n[[files]]\npath = "water.npz"\n{choice}\n{UNITS}')


def test_relative_energies_of_two_files_have_two_zeros(folder):
    (folder / "more.xyz").write_text((folder / "energies.xyz").read_text())
    files = '[[files]]\npath = "energies.xyz"\nrelative = true\n[[files]]\npath = "more.xyz"\nrelative = true\n'
    with pytest.raises(InputError, match=r"relative energies of 'H2O' from one file, came .*energies.* and .*more"):
        read(folder, 'level = "a"\n' + files)
    assert len(read(folder, 'level = "a"\n' + files + 'name = "other"\n').molecules) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_formats_by_name_and_ending(name):
    form = FORMATS[name]
    assert format_of(FileSettings("a.dat", format=name)) is form
    assert all(format_of(FileSettings(f"a{suffix.upper()}")) is form for suffix in form.suffixes)


def test_a_file_without_frames(folder, water):
    np.savez(folder / "none.npz", R=water.positions[:0], z=water.numbers, E=water.energy[:0])
    with pytest.raises(InputError, match=r"none\.npz: expected frames, came none"):
        read(folder, f'level = "a"\n[[files]]\npath = "none.npz"\n{UNITS}')


def test_files_of_one_molecule_in_different_units(folder):
    files = f'[[files]]\npath = "water.npz"\n{UNITS}[[files]]\npath = "energies.xyz"\n'
    assert len(read(folder, 'level = "a"\n' + files).molecules) == 1
    with pytest.raises(InputError, match=r"'H2O' at the level 'a': expected energies in one unit and from one zero"):
        read(folder, 'level = "a"\n' + files + 'energy_unit = "meV"\n')
