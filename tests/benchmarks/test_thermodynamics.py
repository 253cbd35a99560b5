from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.potentials.lennard_jones import LennardJones
from pesx.state import Evaluation

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module


def springs(positions):
    """Each atom on a spring of its own, of stiffness 4."""
    return Evaluation(2.0 * positions.square().sum(dim=(1, 2)), -4.0 * positions)


def test_sampling_has_half_kt_for_each_coordinate_at_every_temperature(script):
    ladder = (0.05, 0.1, 0.2)
    sampling = script("parallel_tempering").Sampling(ladder, n_chains=64, radius=50.0, time_step=0.3, n_steps=(3, 8))
    found = torch.stack([energy for energy, _ in sampling.run(springs, torch.zeros(2, 3), n_trajectories=300)][50:])
    assert (found.mean(dim=(0, 2)) / torch.tensor(ladder)).tolist() == pytest.approx([3.0] * 3, rel=0.04)
    assert (found.var(dim=(0, 2)) / torch.tensor(ladder) ** 2).tolist() == pytest.approx([3.0] * 3, rel=0.12)


def test_nothing_leaves_the_container(script):
    sampling = script("parallel_tempering").Sampling((0.5, 2.0), n_chains=8, radius=1.2)
    start = torch.tensor([[0.0, 0, 0], [1.12, 0, 0]])
    for _, positions in sampling.run(LennardJones(), start, n_trajectories=50):
        assert (positions - positions.mean(dim=2, keepdim=True)).norm(dim=3).max() < 1.2


def test_variances_and_their_errors(script):
    energy = np.random.default_rng(0).normal(0.0, 2.0, (500, 40))
    capacity, error = script("thermodynamics").jackknifed(energy, 0.5)
    assert capacity == pytest.approx(16.0, abs=4 * error)
    assert error == pytest.approx(16.0 * np.sqrt(2 / energy.size), rel=0.5)


def test_quenched_samples_are_counted_by_their_minimum(script):
    pair = torch.tensor([[0.0, 0, 0], [1.3, 0, 0]]).double()
    shares = script("thermodynamics").quenched_shares(pair.expand(5, 2, 3), np.array([-1.0, -0.5]))
    assert shares == [1.0, 0.0]


def test_a_cold_cluster_samples_the_harmonic_limit(script):
    """Half k for each of the three modes of LJ3, without its kinetic energy."""
    sampling = script("parallel_tempering").Sampling((0.004, 0.006), n_chains=64)
    triangle = 2 ** (1 / 6) * torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [0.5, 0.75**0.5, 0]], dtype=torch.float64)
    runs = sampling.run(LennardJones(), triangle, n_trajectories=250)
    cold = torch.stack([energy[0] for energy, _ in runs])[50:].numpy()
    capacity, error = script("thermodynamics").jackknifed(cold, 0.004)
    assert error < 0.1
    assert capacity == pytest.approx(1.5, abs=3 * error + 0.05)
