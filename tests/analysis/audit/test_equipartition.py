from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.analysis.audit.equipartition import element_temperatures, elements, equipartition
from pesx.chemistry import read_molecule
from pesx.units import ACCELERATION, BOLTZMANN


@pytest.fixture(scope="module")
def molecule():
    return read_molecule(Path(__file__).parents[3] / "examples/ala3.xyz")


def velocities(molecule, n, factor=1.0):
    """Canonical velocities at 300 K; those of hydrogens times a factor."""
    generator = torch.Generator().manual_seed(1)
    width = (BOLTZMANN * 300.0 * ACCELERATION / molecule.masses).sqrt()[:, None]
    v = width * torch.randn(n, molecule.n_atoms, 3, generator=generator, dtype=torch.float64)
    v[:, molecule.numbers == 1] *= factor
    return v


def judged(molecule, v):
    rows = element_temperatures(v, molecule)
    return equipartition(molecule, list(rows.reshape(20, -1, rows.shape[1]).mean(axis=1)))


def test_canonical_velocities(molecule):
    found = judged(molecule, velocities(molecule, 4000))
    assert found.elements == tuple(elements(molecule)) == ("H", "C", "N", "O")
    assert (np.abs(found.temperature - 300.0) < 4 * found.error).all()
    assert (np.abs(found.deviation) < 4).all()
    # 12 degrees of freedom of oxygen: 300 K sqrt(2 / 12) in one frame
    assert found.error[3] == pytest.approx(300.0 * (2 / 12) ** 0.5 / 4000**0.5, rel=0.5)


def test_hot_hydrogens_stand_out(molecule):
    found = judged(molecule, velocities(molecule, 4000, factor=1.05))
    assert found.deviation[0] > 5
    assert found.temperature[0] == pytest.approx(300.0 * 1.05**2, rel=0.02)


def test_drift_of_the_whole_is_no_temperature(molecule):
    v = velocities(molecule, 100)
    assert element_temperatures(v + 1.0, molecule) == pytest.approx(element_temperatures(v, molecule))


def test_few_blocks_have_no_errors(molecule):
    found = equipartition(molecule, [np.full(4, 300.0)])
    assert found.as_json()["H"] == {"temperature_k": 300.0, "error_k": None, "deviation": None}
