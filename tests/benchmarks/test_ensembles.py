"""Whether the tests of the ensembles notice what they are for."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from pesx import read_molecule
from pesx.dynamics.masses import inertial
from pesx.dynamics.motion import Motion, thermal_velocities
from pesx.molecule import Molecule
from pesx.state import Evaluation
from pesx.streams import Streams

ROOT = Path(__file__).parents[2]
Samples = list[tuple[Motion, Evaluation]]


@pytest.fixture
def ensembles(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return import_module("ensembles")


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return read_molecule(ROOT / "examples" / "ala3.xyz")


@pytest.fixture
def samples(ensembles: Any, molecule: Molecule) -> Samples:
    """Velocities drawn from the distribution itself."""
    n = 24
    place = molecule.positions.expand(n, -1, -1).clone()
    heat = torch.full((n,), ensembles.KT, dtype=torch.float64)
    found = []
    for seed in range(10):
        velocities = thermal_velocities(place, inertial(molecule.masses), heat, Streams(seed, range(n), [0] * n))
        state = replace(Motion.at_rest(place), velocities=velocities)
        found.append((state, Evaluation(heat, torch.zeros_like(place))))
    return found


def scaled(samples: Samples, factors: torch.Tensor) -> Samples:
    return [(replace(state, velocities=factors * state.velocities), now) for state, now in samples]


def test_the_distribution_itself_passes(ensembles: Any, molecule: Molecule, samples: Samples):
    found = ensembles.tested(samples, molecule)
    assert found["passed"]
    assert found["n_samples"] == 240
    assert found["mean_temperature"] == pytest.approx(300.0, abs=8.0)


def test_five_percent_too_hot_do_not(ensembles: Any, molecule: Molecule, samples: Samples):
    found = ensembles.tested(scaled(samples, torch.tensor(1.05**0.5)), molecule)
    assert not found["passed"]


def test_cold_hydrogens_are_noticed_though_the_whole_is_right(ensembles: Any, molecule: Molecule, samples: Samples):
    is_hydrogen = (molecule.numbers == 1).double()
    factors = torch.where(is_hydrogen == 1, 0.92**0.5, 1.088**0.5)[:, None]
    found = ensembles.tested(scaled(samples, factors), molecule)
    assert found["p_of_elements"] < ensembles.LEVEL
    assert found["by_element"]["H"]["deviation"] < -4
