"""The scripts beside the recipes for small molecules."""

import re
import sys
from importlib import import_module
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, Hartree

from pesx import read_molecule
from pesx.geometry.torsion import rotate_about_bond
from pesx.potentials.learned import LearnedPotential
from pesx.relax.modes import modes
from pesx.so3krates.checkpoint import packaged_model
from pesx.state import fmax

FOLDER = Path(__file__).parents[2] / "workflows" / "small_molecules"
QM22 = Path(__file__).parents[3] / "shared" / "data" / "n_methylacetamide" / "N-methylacetamide.zip"

with_data = pytest.mark.skipif(not QM22.is_file(), reason="the N-methylacetamide frames are not part of the repository")

FRAME = """   2
  -1.5
H      0.0000000      0.0000000      0.0000000      0.0000000      0.1000000     -0.2000000
F      0.0000000      0.0000000      {distance}      0.0000000     -0.1000000      0.2000000
"""


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield import_module
    for name in ("prepare", "amide_flip", "measure"):
        sys.modules.pop(name, None)


def test_units_are_converted_and_gradients_turned(script, tmp_path):
    """The factors are those of ASE: its own table of constants, beside that of pesx."""
    (tmp_path / "some.xyz").write_text("".join(FRAME.format(distance=f"1.{i}") for i in range(3)))
    script("prepare").main([str(tmp_path / "some.xyz"), "--out", str(tmp_path), "--n-train", "1"])
    atoms = ase.io.read(tmp_path / "train.extxyz")
    assert atoms.get_chemical_symbols() == ["H", "F"]
    assert atoms.get_potential_energy() == pytest.approx(-1.5 * Hartree)
    assert atoms.get_forces()[0] == pytest.approx(np.array([0.0, -0.1, 0.2]) * Hartree / Bohr, rel=1e-6)


def test_files_share_no_frame(script, tmp_path, capsys):
    path = tmp_path / "many.xyz"
    path.write_text("".join(FRAME.format(distance=f"1.{i % 8}") for i in range(10)))
    script("prepare").main([str(path), "--out", str(tmp_path / "cut"), "--n-train", "5"])
    assert "5 frames" in capsys.readouterr().out
    train, test = (
        {round(atoms.get_distance(0, 1), 3) for atoms in ase.io.read(tmp_path / "cut" / f"{name}.extxyz", ":")}
        for name in ("train", "test")
    )
    assert len(train) == 5
    assert train | test == {1.0 + i / 10 for i in range(8)}
    assert not train & test


@with_data
def test_frames_of_the_data_are_cut_in_two(script, tmp_path, capsys):
    script("prepare").main([str(QM22), "--out", str(tmp_path)])
    assert re.findall(r"(\d+) frames", capsys.readouterr().out) == ["1000", "5605"]
    lowest = min(atoms.get_potential_energy() for atoms in ase.io.iread(tmp_path / "test.extxyz"))
    assert lowest > -248.39 * Hartree


def test_minima_and_saddles_are_what_they_are_called(script):
    flip = script("amide_flip")
    molecule = read_molecule("CC(=O)NC")
    potential = LearnedPotential(packaged_model()[0], molecule.numbers)
    start = molecule.positions.double()
    side_of_nitrogen = torch.isin(torch.arange(12), torch.tensor([4, 8, 9, 10, 11]))
    halfway = rotate_about_bond(start[None], torch.tensor([1, 3]), side_of_nitrogen, start.new_tensor([torch.pi / 2]))
    minimum = flip.stationary(potential, start, is_saddle=False)
    saddle = flip.stationary(potential, halfway[0], is_saddle=True)
    for point, n_negative in ((minimum, 0), (saddle, 1)):
        assert fmax(potential(point[None]).forces) < flip.LARGEST_FORCE
        assert modes(potential, point[None]).n_negative.tolist() == [n_negative]


def test_the_nearest_frame_may_be_a_mirror_image(script):
    generator = torch.Generator().manual_seed(1)
    frames = torch.randn(3, 6, 3, dtype=torch.float64, generator=generator)
    row, apart = script("amide_flip").nearest(-frames[1], frames)
    assert row == 1
    assert apart == pytest.approx(0.0, abs=1e-6)


def test_an_offset_of_the_energy_counts(script, tmp_path):
    """Labels are those of the model itself, with 5 meV more energy."""
    molecule = read_molecule("CC(=O)NC")
    found = LearnedPotential(packaged_model()[0], molecule.numbers)(molecule.positions.float()[None])
    atoms = Atoms(molecule.numbers.numpy(), molecule.positions.numpy())
    atoms.calc = SinglePointCalculator(atoms, energy=float(found.energy[0]) + 5e-3, forces=found.forces[0].numpy())
    ase.io.write(tmp_path / "one.extxyz", atoms, format="extxyz")
    errors = script("measure").errors(None, tmp_path / "one.extxyz")
    assert errors["n_frames"] == 1
    assert errors["energy_mae"] == pytest.approx(5.0, abs=0.1)
    assert errors["energy_offset"] == pytest.approx(-5.0, abs=0.1)
    assert errors["force_mae"] == pytest.approx(0.0, abs=0.1)
