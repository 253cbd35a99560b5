from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.split import split


def dataset(*lengths_of_trajectories):
    molecules = []
    for number, lengths in enumerate(lengths_of_trajectories):
        trajectory = np.repeat(np.arange(len(lengths)), lengths)
        n = len(trajectory)
        molecules.append(
            MoleculeFrames(
                name=f"molecule {number}",
                level="toy",
                numbers=np.array([1]),
                charge=0,
                multiplicity=1,
                positions=np.zeros((n, 1, 3), dtype=np.float32),
                energy=trajectory + 1000.0 * number,
                forces=np.zeros((n, 1, 3), dtype=np.float32),
                temperature=np.full(n, 300.0),
                trajectory=trajectory,
                force_weight=np.ones((n, 1), dtype=np.float32),
            )
        )
    return Dataset(tuple(molecules))


def trajectories(part):
    return {float(energy) for molecule in part.molecules for energy in molecule.energy}


@pytest.mark.parametrize("seed", range(5))
def test_no_trajectory_is_on_both_sides(seed):
    data = dataset([10] * 20, [7, 30, 12] * 6)
    training, validation = split(data, 0.1, seed=seed)
    assert not trajectories(training) & trajectories(validation)
    assert trajectories(training) | trajectories(validation) == trajectories(data)
    assert len(training) + len(validation) == len(data)
    assert len(validation) == pytest.approx(0.1 * len(data), abs=30)


def test_same_seed_same_split():
    data = dataset([10] * 20)
    assert trajectories(split(data, 0.2, seed=3)[1]) == trajectories(split(data, 0.2, seed=3)[1])
    assert len({frozenset(trajectories(split(data, 0.2, seed=seed)[1])) for seed in range(10)}) > 1


def test_molecules_with_long_trajectories_make_up_for_each_other():
    """Each molecule owes half a trajectory, so every second one gives one."""
    _, validation = split(dataset(*[[100] * 5] * 8), 0.1, seed=0)
    assert len(validation) == pytest.approx(400, abs=100)


def test_single_trajectories_cannot_be_held_out():
    with pytest.raises(InputError, match="trajectory"):
        split(dataset([50], [50]), 0.1, seed=0)


def test_a_molecule_keeps_at_least_half_of_its_frames():
    data = dataset([100], [5, 5, 5, 5])
    training, _ = split(replace(data), 0.4, seed=0)
    assert all(len(molecule) >= 10 for molecule in training.molecules)
