from dataclasses import replace

import pytest
import torch

from pesx.analysis.frames import frames_of
from pesx.errors import InputError
from pesx.training.dataset import Dataset


def test_the_order_of_atoms_is_that_of_the_molecule(molecule, data):
    plain = frames_of(molecule, data(1.0, 3.1))
    assert plain.dtype == torch.float64
    shuffled = frames_of(molecule, data(1.0, 3.1, order=(1, 3, 0, 2)))
    # The two ends are alike, so either may come first.
    assert torch.equal(shuffled, plain) or torch.equal(shuffled, plain.flip(1))


def test_frames_that_lost_a_bond_are_frames_all_the_same(molecule, data):
    (one,) = data(1.0).molecules
    positions = one.positions.copy()
    positions[0, 3] += 4.0
    assert len(frames_of(molecule, Dataset((replace(one, positions=positions),)))) == 3


def test_other_molecules_are_left_out(molecule, data):
    (one,) = data(1.0).molecules
    charged = replace(one, charge=1, multiplicity=2, name="ion")
    positions = one.positions.copy()
    positions[:, 0] = positions[:, 2] + (0.0, -0.95, 0.1)  # water oxide has the same atoms
    isomer = replace(one, positions=positions, name="isomer")
    assert len(frames_of(molecule, Dataset((charged, isomer, one)))) == 3
    with pytest.raises(InputError, match="came ion, isomer"):
        frames_of(molecule, Dataset((charged, isomer)))
