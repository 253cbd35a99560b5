from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from pesx.training.dataset import MoleculeFrames

WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
PAIRS = ((0, 1), (0, 2), (1, 2))
STIFFNESS = 20.0


@dataclass(frozen=True)
class Water:
    """Bent waters with springs between all atoms: eV, angstrom."""

    positions: NDArray[np.float64]
    energy: NDArray[np.float64]
    forces: NDArray[np.float64]
    numbers: NDArray[np.int64]

    def assert_read(self, molecule: MoleculeFrames, *, energy: bool = True, forces: bool = True) -> None:
        """Compare with what was read."""
        assert molecule.numbers.tolist() == [8, 1, 1]
        np.testing.assert_allclose(molecule.positions, self.positions, atol=1e-6)
        if energy:
            np.testing.assert_allclose(molecule.energy, self.energy, rtol=1e-9)
        if forces:
            np.testing.assert_allclose(molecule.forces, self.forces, atol=1e-5)
        assert molecule.has_energy.all() == energy
        assert molecule.has_forces.all() == forces


def make_water(n_frames: int = 80, *, walk: bool = False) -> Water:
    random = np.random.default_rng(1)
    steps = random.normal(scale=0.005 if walk else 0.05, size=(n_frames, 3, 3))
    positions = WATER + (steps.cumsum(axis=0) if walk else steps)
    energy, forces = np.full(n_frames, -2080.0), np.zeros_like(positions)
    for one, other in PAIRS:
        bond = positions[:, other] - positions[:, one]
        length = np.linalg.norm(bond, axis=-1)
        stretch = length - np.linalg.norm(WATER[other] - WATER[one])
        energy += 0.5 * STIFFNESS * stretch**2
        pull = (STIFFNESS * stretch / length)[:, None] * bond
        forces[:, one] += pull
        forces[:, other] -= pull
    return Water(positions, energy, forces, np.array([8, 1, 1]))


@pytest.fixture
def water() -> Water:
    return make_water()


@pytest.fixture
def waters() -> Callable[..., Water]:
    """From a number of frames, and whether they are in the order of time, to frames."""
    return make_water
