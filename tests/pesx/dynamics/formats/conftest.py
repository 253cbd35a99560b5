"""A short track of a molecule."""

from collections.abc import Callable

import numpy as np
import pytest

from pesx.chemistry.read import read_molecule
from pesx.dynamics.snapshot import Track
from pesx.molecule import Molecule


@pytest.fixture(scope="session")
def molecule() -> Molecule:
    return read_molecule("CC(=O)NCC(=O)NC")


@pytest.fixture(scope="session")
def track(molecule: Molecule) -> Callable[..., Track]:
    def make(n_frames: int, *, first: int = 0) -> Track:
        n_atoms = molecule.n_atoms
        frames = np.arange(first, first + n_frames)
        waves = np.sin(frames[:, None, None] + np.arange(3 * n_atoms).reshape(n_atoms, 3))
        return Track(
            replica=np.full(n_frames, 3),
            time=0.1 * frames,
            positions=molecule.positions.numpy() + 0.1 * waves,
            velocities=0.01 * waves,
            forces=waves,
            potential=-1000.0 + frames,
            kinetic=1.0 + 0.1 * frames,
            temperature=300.0 + frames,
            conserved=np.full(n_frames, np.nan),
        )

    return make
