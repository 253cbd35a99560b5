"""Landscapes to draw; and hydrogen peroxide on a surface with three minima, two of them mirror images, with a run of it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.records import Quenches, StoredMinima
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.registry import make_potential
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.preconditioned import PreconditionedLbfgs
from pesx.relax.quench import Convergence, quench
from pesx.settings import ExploreSettings, write_settings
from pesx.training.dataset import Dataset, MoleculeFrames


def make_landscape(n: int, seed: int = 0, unit: str = "eV") -> Network:
    """A connected landscape: each minimum but the first leads to one before it."""
    rng = np.random.default_rng(seed)
    energy = rng.exponential(size=n)
    first = np.arange(1, n)
    second = (rng.random(n - 1) * first).astype(int)
    height = np.maximum(energy[first], energy[second]) + rng.exponential(size=n - 1)
    properties = {
        "visits": rng.integers(1, 100, n),
        "chemistry": np.array(["SS", "SR", "RR"])[rng.integers(0, 3, n)],
        "size": np.where(np.arange(n) % 5 == 1, np.nan, rng.random(n)),
        "cis": rng.integers(0, 3, n),
    }
    return Network.build(
        StationaryPoints.of(energy, properties=properties),
        StationaryPoints.of(height),
        first=first,
        second=second,
        unit=unit,
    )


@pytest.fixture
def landscape() -> Callable[..., Network]:
    """Makes a connected landscape of so many minima."""
    return make_landscape


_MODULE = """
import torch

from pesx.geometry.torsion import torsion_angles
from pesx.state import Evaluation

BONDS = {(0, 1): 0.96, (1, 2): 1.45, (2, 3): 0.96, (0, 2): 1.9, (1, 3): 1.9}


class Peroxide:
    def __init__(self, molecule):
        self.quads = torch.tensor([[0, 1, 2, 3]])

    def __call__(self, positions):
        with torch.enable_grad():
            x = positions.detach().double().requires_grad_()
            angle = torsion_angles(x, self.quads)[:, 0]
            energy = 0.05 * (1 + torch.cos(3 * angle)) + 0.02 * torch.cos(angle)
            for (i, j), length in BONDS.items():
                energy = energy + 10.0 * ((x[:, i] - x[:, j]).norm(dim=-1) - length) ** 2
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        return Evaluation(energy.detach(), -gradient.to(positions.dtype))
"""


def structure(torsion: float) -> torch.Tensor:
    angle = torch.tensor(torsion, dtype=torch.float64)
    x, radius = -0.16, 0.95
    first = torch.tensor([x, radius, 0.0], dtype=torch.float64)
    last = torch.stack([torch.tensor(1.45 - x).double(), radius * angle.cos(), radius * angle.sin()])
    oxygens = torch.tensor([[0.0, 0.0, 0.0], [1.45, 0.0, 0.0]], dtype=torch.float64)
    return torch.cat([first[None], oxygens, last[None]])


@pytest.fixture
def peroxide():
    """Makes hydrogen peroxide with a torsion, radian."""
    return structure


@pytest.fixture
def molecule():
    """Hydrogen peroxide, atoms H O O H."""
    bonds = torch.tensor([[0, 1], [1, 2], [2, 3]])
    return Molecule(torch.tensor([1, 8, 8, 1]), structure(1.0), bonds=bonds, name="HOOH")


@pytest.fixture
def surface(tmp_path, monkeypatch):
    """Name of a potential of hydrogen peroxide with minima at torsions of 180 degree and of plus and minus about 62."""
    (tmp_path / "peroxide_for_tests.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "peroxide_for_tests:Peroxide"


@pytest.fixture
def relaxed(surface, molecule):
    """Relaxes structures on that surface, and returns where they ended."""
    potential, _ = make_potential(surface, molecule)

    def relax(*torsions):
        starts = torch.stack([structure(torsion) for torsion in torsions])
        stepper = PreconditionedLbfgs(ModelHessian.for_descent(molecule))
        return quench(stepper, potential, starts, convergence=Convergence(fmax=1e-5))

    return relax


@pytest.fixture
def run_folder(tmp_path, surface, molecule, relaxed):
    """Makes a run that has found the minima at these torsions."""

    def make(*torsions, mirror="distinct"):
        folder, ends, n = tmp_path / "run", relaxed(*torsions), len(torsions)
        nothing = torch.full((n,), torch.nan, dtype=torch.float64)
        count, zero = torch.arange(n), np.zeros(n, dtype=int)
        names = ("walker", "hop", "outcome", "energy", "n_evaluations", "started_from", "is_accepted")
        with RunStore.create(folder, molecule, {"level": surface}) as store, store.transaction():
            store.add_minima(
                StoredMinima(ends.positions, ends.energy, ends.fmax, nothing, nothing, count, count, ["|"] * n)
            )
            moves = np.array(["seed"] * n)
            store.add_quenches(Quenches(**dict.fromkeys(names, zero), move=moves, minimum=np.arange(n)))
        settings = ExploreSettings("OO", potential=surface, mirror=mirror, energy_window=1.0, precision="float64")
        write_settings(settings, folder)
        return folder

    return make


def frames_at(*torsions, order=(0, 1, 2, 3), n_each=3, name="HOOH"):
    generator = torch.Generator().manual_seed(len(torsions))
    starts = torch.stack([structure(torsion) for torsion in torsions for _ in range(n_each)])
    noisy = starts + 0.03 * torch.randn(starts.shape, generator=generator, dtype=torch.float64)
    positions, n = noisy.numpy().astype(np.float32)[:, list(order)], len(noisy)
    numbers = np.array([1, 8, 8, 1])[list(order)]
    return MoleculeFrames(
        name,
        "any",
        numbers,
        0,
        1,
        positions,
        np.full(n, np.nan),
        np.full(positions.shape, np.nan, dtype=np.float32),
        np.full(n, np.nan),
        np.zeros(n, dtype=np.int64),
        np.ones((n, 4), dtype=np.float32),
    )


@pytest.fixture
def data():
    """Makes a data set of distorted structures around these torsions; atoms may be in another order."""

    def make(*torsions, **settings):
        return Dataset((frames_at(*torsions, **settings),))

    return make
