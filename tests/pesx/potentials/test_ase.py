import numpy as np
import pytest
import torch

from pesx.engines import XtbEngine
from pesx.errors import InputError
from pesx.potentials.ase import AsePotential

WATER = np.array([8, 1, 1])
BENT = torch.tensor([[0.0, 0.0, 0.0], [1.02, 0.05, 0.0], [-0.3, 0.9, 0.1]], dtype=torch.float64)


def test_rows_of_an_engine_with_nan_for_the_refused() -> None:
    engine = XtbEngine()
    positions = torch.stack([BENT, torch.zeros(3, 3, dtype=torch.float64), 1.1 * BENT])
    with AsePotential(engine, WATER) as potential:
        now = potential(positions)
    for row in (0, 2):
        energy, forces = engine.evaluate(WATER, positions[row].numpy())
        assert now.energy[row].item() == pytest.approx(energy, abs=1e-9)
        np.testing.assert_allclose(now.forces[row].numpy(), forces, atol=1e-9)
    assert now.energy[1].isnan()
    assert now.forces[1].isnan().all()


def test_a_calculator_and_the_dtypes() -> None:
    from ase.calculators.lj import LennardJones

    pair = torch.tensor([[[0.0, 0, 0], [1.2, 0, 0]]], dtype=torch.float32)
    with AsePotential(LennardJones, np.array([18, 18])) as potential:
        now = potential(pair)
    assert (now.energy.dtype, now.forces.dtype) == (torch.float64, torch.float32)
    assert now.forces[0, 0, 0] > 0


def test_rejects_another_molecule() -> None:
    with AsePotential(XtbEngine(), WATER) as potential, pytest.raises(InputError, match=r"\(B, 3, 3\)"):
        potential(torch.zeros(1, 4, 3))
