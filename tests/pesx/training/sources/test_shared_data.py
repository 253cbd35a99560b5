"""Sets of others, as far as they lie beside the checkout: read as they are, and compared with another engine."""

from pathlib import Path

import numpy as np
import pytest

from pesx.engines.xtb import XtbEngine
from pesx.training.sources.data_file import read_file
from pesx.training.sources.settings import FileSettings

DATA = Path(__file__).parents[5] / "shared" / "data"
MD17 = {"energy_unit": "kcal/mol", "length_unit": "angstrom", "force_unit": "kcal/mol/angstrom"}

WITH_FORCES = {
    "ethanol/md17_pbe_vdwts_a.npz": (2000, MD17),
    "ethanol/md17_pbe_vdwts_b.npz": (2000, MD17),
    "ethanol/pbe_svp_train.xyz": (1000, {}),
    "ethanol/pbe_svp_test.xyz": (1000, {}),
    "ethanol/b3lyp_qm22.zip": (11011, {"format": "qm22"}),
    "n_methylacetamide/N-methylacetamide.zip": (6607, {"format": "qm22"}),
    "3bpa/train_300K.xyz": (500, {}),
    "3bpa/train_mixedT.xyz": (500, {}),
}

IN_THE_ORDER_OF_TIME = {
    "ethanol/md17_pbe_vdwts_a.npz",
    "ethanol/b3lyp_qm22.zip",
    "n_methylacetamide/N-methylacetamide.zip",
}


def read(name, **settings):
    if not (DATA / name).exists():
        pytest.skip(f"needs {name} in shared/data beside the checkout")
    return read_file(FileSettings(str(DATA / name), **settings), "reference")


@pytest.fixture(scope="module")
def xtb():
    pytest.importorskip("tblite", reason="needs tblite, the extra label")
    return XtbEngine()


@pytest.mark.parametrize("name", WITH_FORCES)
def test_forces_are_nearly_those_of_tight_binding(name, xtb):
    n_frames, settings = WITH_FORCES[name]
    (molecule,) = read(name, **settings).molecules
    assert len(molecule) == n_frames
    assert molecule.has_energy.all()
    assert molecule.has_forces.all()
    held_together = np.bincount(molecule.trajectory)
    assert held_together.max() == (20 if name in IN_THE_ORDER_OF_TIME else 1)
    evaluate = xtb.bind(molecule.numbers, charge=molecule.charge, multiplicity=molecule.multiplicity)
    # The first frames of some files are minima, without forces to compare.
    rows = np.linspace(n_frames // 4, n_frames - 1, 3).astype(int)
    expected = np.concatenate([evaluate(molecule.positions[row].astype(np.float64))[1].ravel() for row in rows])
    found = molecule.forces[rows].ravel()
    assert np.corrcoef(found, expected)[0, 1] > 0.8
    assert 0.6 < found @ expected / (expected @ expected) < 1.6


def test_energies_of_conformers_are_nearly_those_of_tight_binding(xtb):
    dataset = read("pepconf", format="pepconf")
    assert (len(dataset), len(dataset.molecules)) == (4530, 755)
    assert dataset.elements == [1, 6, 7, 8, 16]
    assert all(molecule.is_relative and molecule.has_energy.all() for molecule in dataset.molecules)
    # Tight binding is off by a kcal/mol or two: it takes conformers that differ by more.
    light = [molecule for molecule in dataset.molecules if len(molecule.numbers) <= 50 and not molecule.charge]
    found, expected = [], []
    for molecule in sorted(light, key=lambda molecule: -np.ptp(molecule.energy))[:4]:
        evaluate = xtb.bind(molecule.numbers)
        energies = np.array([evaluate(positions.astype(np.float64))[0] for positions in molecule.positions])
        found.append(molecule.energy - molecule.energy.mean())
        expected.append(energies - energies.mean())
    assert np.corrcoef(np.concatenate(found), np.concatenate(expected))[0, 1] > 0.9
