from importlib.resources import files

import numpy as np
import pytest

from pesx.chemistry.read import read_molecule
from pesx.errors import CheckpointError, InputError
from pesx.labelling.learned import check_model, learned_surface
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import PACKAGED, load, model_hash

MODEL = str(files("pesx.data") / PACKAGED)
PEPTIDE = read_molecule("CC(=O)NCC(=O)NC")
ATOMS = tuple(PEPTIDE.numbers.tolist())
WATER = (8, 1, 1)


def test_the_surface_is_that_of_the_model() -> None:
    energy, forces = learned_surface(MODEL, ATOMS, charge=0, multiplicity=1)(PEPTIDE.positions.numpy())
    found = LearnedPotential(load(MODEL)[0], PEPTIDE.numbers)(PEPTIDE.positions[None])
    assert energy == pytest.approx(float(found.energy[0]), abs=1e-4)
    np.testing.assert_allclose(forces, found.forces[0], atol=1e-4)


def test_what_a_model_does_not_know_is_said_beforehand() -> None:
    assert check_model(MODEL, [(WATER, 0, 1)]) == model_hash(load(MODEL)[0])
    with pytest.raises(InputError, match=r"came \[16\]"):
        check_model(MODEL, [(WATER, 0, 1), ((16, 1, 1), 0, 1)])
    with pytest.raises(CheckpointError):
        check_model("nowhere.safetensors", [])
