import itertools

import numpy as np
import pytest

from pesx.labelling.trajectories import every, langevin, relaxation, thin
from pesx.units import BOLTZMANN


def _spring(positions: np.ndarray) -> tuple[float, np.ndarray]:
    return 0.5 * 4.0 * float((positions**2).sum()), -4.0 * positions


@pytest.mark.parametrize("temperature", [100.0, 600.0])
def test_langevin_samples_the_boltzmann_distribution(temperature: float) -> None:
    rng = np.random.default_rng(1)
    masses = np.array([1.0, 12.0, 16.0] * 20)
    steps = langevin(_spring, np.zeros((60, 3)), masses, temperature=temperature, timestep=1.0, friction=0.1, rng=rng)
    energies = [energy for _, energy, _ in itertools.islice(steps, 200, 4000)]
    assert np.mean(energies) == pytest.approx(0.5 * 180 * BOLTZMANN * temperature, rel=0.05)


def test_langevin_follows_from_its_generator() -> None:
    def end(seed: int) -> np.ndarray:
        settings = {"temperature": 300.0, "timestep": 1.0, "friction": 0.02}
        steps = langevin(_spring, np.ones((2, 3)), np.ones(2), **settings, rng=np.random.default_rng(seed))
        return next(itertools.islice(steps, 20, None))[0]

    np.testing.assert_array_equal(end(1), end(1))
    assert not np.allclose(end(1), end(2))


def test_relaxation_ends_in_the_minimum() -> None:
    path = relaxation(_spring, np.arange(6.0).reshape(2, 3), force_limit=1e-4, max_steps=100)
    np.testing.assert_allclose(path[0][0], np.arange(6.0).reshape(2, 3))
    assert np.abs(path[-1][2]).max() < 1e-4
    assert path[-1][1] == min(energy for _, energy, _ in path)


def test_relaxation_is_blind_to_the_zero_of_energy() -> None:
    def shifted(positions: np.ndarray) -> tuple[float, np.ndarray]:
        energy, forces = _spring(positions)
        return energy - 20000.0, forces

    path = relaxation(shifted, np.arange(6.0).reshape(2, 3), force_limit=1e-4, max_steps=100)
    assert np.abs(path[-1][2]).max() < 1e-4


def test_thinning_keeps_both_ends() -> None:
    path = [(np.zeros((1, 3)), float(index), np.zeros((1, 3))) for index in range(100)]
    kept = [energy for _, energy, _ in thin(path, 8)]
    assert (kept[0], kept[-1]) == (0.0, 99.0)
    assert len(kept) <= 8
    assert np.diff(kept)[-1] > np.diff(kept)[0]
    assert thin(path[:5], 8) == path[:5]


def test_every_skips_and_spaces() -> None:
    points = ((np.zeros((1, 3)), float(index), np.zeros((1, 3))) for index in itertools.count(1))
    assert [energy for _, energy, _ in every(points, skip=5, interval=10, n_points=3)] == [15.0, 25.0, 35.0]
