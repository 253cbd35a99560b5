"""A small run of water, for the tests of the store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.store import Quenches, RunStore, StoredMinima, Violations
from pesx.molecule import Molecule
from pesx.outcome import Outcome

WATER = Molecule(
    numbers=torch.tensor([8, 1, 1]),
    positions=torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
    bonds=torch.tensor([[0, 1], [0, 2]]),
    name="water",
)


def make_quenches(minimum: list[int], **changes: object) -> Quenches:
    n = len(minimum)
    columns = {
        "walker": np.arange(n) % 3,
        "hop": np.arange(n),
        "move": np.array(["torsion", "displace"] * n)[:n],
        "outcome": np.where(np.array(minimum, dtype=int) >= 0, 1, 2),
        "energy": np.linspace(-1, 1, n),
        "n_evaluations": 10 + np.arange(n),
        "minimum": np.array(minimum, dtype=int),
        "started_from": np.full(n, -1),
        "is_accepted": np.arange(n) % 2 == 0,
    }
    return Quenches(**(columns | changes))


def make_minima(quench: list[int]) -> StoredMinima:
    n = len(quench)
    generator = torch.Generator().manual_seed(sum(quench))
    return StoredMinima(
        positions=torch.randn(n, 3, 3, dtype=torch.float64, generator=generator),
        energy=torch.rand(n, dtype=torch.float64, generator=generator),
        fmax=torch.full((n,), 1e-5, dtype=torch.float64),
        lowest_curvature=torch.linspace(0.1, 1, n, dtype=torch.float64),
        log_product=torch.full((n,), torch.nan, dtype=torch.float64),
        quench=torch.tensor(quench, dtype=torch.int64),
        visits=torch.zeros(n, dtype=torch.int64),
        keys=[f"R{row}" for row in range(n)],
    )


def make_violations(quench: list[int]) -> Violations:
    n = len(quench)
    return Violations(
        quench=torch.tensor(quench),
        outcome=torch.full((n,), int(Outcome.BOND_CHANGED)),
        energy=torch.full((n,), torch.nan, dtype=torch.float64),
        positions=torch.ones(n, 3, 3, dtype=torch.float64),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.create(tmp_path / "run", WATER, {"model": "abc"}) as store:
        yield store


def fill_store(store: RunStore) -> None:
    with store.transaction():
        store.add_minima(make_minima([0, 2]))
        store.add_quenches(make_quenches([0, 0, 1, -1, 1, 1]))
        store.add_violations(make_violations([3]))
        store.save_state({"walkers": b"one", "clock": b"\x00\xff"})


@pytest.fixture
def water() -> Molecule:
    """The molecule of the run."""
    return WATER


@pytest.fixture
def fill() -> Callable[[RunStore], None]:
    """Puts two minima, six quenches and a violation into a run."""
    return fill_store


@pytest.fixture
def quenches() -> Callable[..., Quenches]:
    """Makes quenches that ended in these minima."""
    return make_quenches


@pytest.fixture
def minima() -> Callable[[list[int]], StoredMinima]:
    """Makes minima that these quenches found."""
    return make_minima


@pytest.fixture
def violations() -> Callable[[list[int]], Violations]:
    """Makes violations that these quenches ended in."""
    return make_violations


def make_network(n_minima: int, n_transition_states: int, seed: int = 0) -> Network:
    """A random network, often in several parts, with loops, parallel transition states and equal energies."""
    rng = np.random.default_rng(seed)
    energy = rng.integers(0, 50, n_minima) / 10
    first, second = rng.integers(0, n_minima, (2, n_transition_states))
    height = np.maximum(energy[first], energy[second]) + rng.integers(1, 40, n_transition_states) / 10
    return Network.build(
        StationaryPoints.of(energy, number=np.arange(n_minima) + 7),
        StationaryPoints.of(height, log_product=height / 2),
        first=first,
        second=second,
    )


@pytest.fixture
def random_network() -> Callable[..., Network]:
    """Makes a random network from numbers of minima and transition states, and a seed."""
    return make_network


def lowest_highest_points(found: Network) -> np.ndarray:
    """The lowest highest point of any way between each two minima, by Floyd's algorithm."""
    n = len(found.minima)
    best = np.full((n, n), np.inf)
    np.minimum.at(best, (found.first, found.second), found.transition_states.energy)
    np.minimum.at(best, (found.second, found.first), found.transition_states.energy)
    np.fill_diagonal(best, found.minima.energy)
    for middle in range(n):
        best = np.minimum(best, np.maximum(best[:, middle, None], best[None, middle]))
    np.fill_diagonal(best, found.minima.energy)
    return best


@pytest.fixture
def minimax() -> Callable[[Network], np.ndarray]:
    """The lowest highest points by brute force."""
    return lowest_highest_points
