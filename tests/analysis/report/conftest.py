"""Runs of Ac-Gly-NHMe, and of a cluster, with what each test wants in them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.analysis.report.material import Material
from pesx.chemistry.embed import molecule_from_smiles
from pesx.landscape.records import (
    Connections,
    Quenches,
    Searches,
    StoredMinima,
    StoredTransitionStates,
    Verifications,
    Violations,
)
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.units import KCAL_PER_MOL

CONVERGED, OUT_OF_STEPS = int(Outcome.CONVERGED), int(Outcome.OUT_OF_STEPS)


@pytest.fixture(scope="session")
def peptide() -> Molecule:
    """Ac-Gly-NHMe."""
    return molecule_from_smiles("CC(=O)NCC(=O)NC", name="Ac-Gly-NHMe")


@pytest.fixture
def cluster() -> Molecule:
    """Four atoms of a Lennard-Jones cluster, a tetrahedron."""
    corners = torch.tensor([[0.0, 0, 0], [1.1, 1.1, 0], [1.1, 0, 1.1], [0, 1.1, 1.1]])
    return Molecule(torch.full((4,), 18), corners, name="LJ4")


def minima_of(positions: torch.Tensor, energy: list[float], first_quench: list[int]) -> StoredMinima:
    n = len(energy)
    nothing = torch.full((n,), torch.nan, dtype=torch.float64)
    return StoredMinima(
        positions=positions,
        energy=torch.tensor(energy, dtype=torch.float64),
        fmax=nothing,
        lowest_curvature=nothing,
        log_product=nothing,
        quench=torch.tensor(first_quench, dtype=torch.int64),
        visits=torch.zeros(n, dtype=torch.int64),
        keys=[""] * n,
    )


def quenches_of(ends: list[int], *, moves: list[str] | None = None, failure: int = OUT_OF_STEPS) -> Quenches:
    """Quenches that ended in these minima (-1 for none), of walkers 0, 1, 2, ... in turn, 10 evaluations each."""
    n, end = len(ends), np.array(ends, dtype=np.int64)
    return Quenches(
        walker=np.arange(n),
        hop=np.zeros(n, dtype=np.int64),
        move=np.array(moves or ["torsion"] * n, dtype=object),
        outcome=np.where(end >= 0, CONVERGED, failure),
        energy=np.full(n, np.nan),
        n_evaluations=np.full(n, 10),
        minimum=end,
        started_from=np.full(n, -1),
        is_accepted=end >= 0,
    )


def add_saddles(store: RunStore, saddles: list[tuple[float, int, int]], positions: torch.Tensor) -> None:
    n = len(saddles)
    energy, first, second = (np.array(column) for column in zip(*saddles, strict=True))
    nothing = torch.full((n,), torch.nan, dtype=torch.float64)
    count, one = np.arange(n), np.ones(n, dtype=np.int64)
    reason = np.array(["near"] * n, dtype=object)
    store.add_connections(Connections(first, second, reason, one, one, 100 * one))
    store.add_searches(Searches(count, one, energy, 50 * one, count))
    store.add_transition_states(
        StoredTransitionStates(
            positions=positions[first],
            energy=torch.from_numpy(energy).double(),
            fmax=nothing,
            curvature=torch.full((n,), -1.0, dtype=torch.float64),
            log_product=nothing,
            first=torch.from_numpy(first),
            second=torch.from_numpy(second),
            search=torch.from_numpy(count),
            keys=[""] * n,
        )
    )


@pytest.fixture
def folder(tmp_path: Path, peptide: Molecule) -> Callable[..., Path]:
    """Makes a run folder: minima with these energies (eV), found one after the other by walkers 0, 1, 2, ..."""

    def make(
        energy: list[float],
        *,
        molecule: Molecule = peptide,
        positions: torch.Tensor | None = None,
        saddles: list[tuple[float, int, int]] | None = None,
        ends: list[int] | None = None,
        moves: list[str] | None = None,
        novelty: dict[int, str] | None = None,
        unit: str = "eV",
    ) -> Path:
        place = tmp_path / "run"
        n = len(energy)
        ends = list(range(n)) if ends is None else ends
        if positions is None:
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn((n, molecule.n_atoms, 3), generator=generator, dtype=torch.float64)
            positions = molecule.positions + 0.02 * noise
        with RunStore.create(place, molecule, {"level": "springs", "energy_unit": unit}) as store, store.transaction():
            store.add_minima(minima_of(positions, energy, [ends.index(row) for row in range(n)]))
            store.add_quenches(quenches_of(ends, moves=moves))
            if saddles:
                add_saddles(store, saddles, positions)
        if novelty is not None:
            lines = [f"{number},0,{new},0,1.5" for number, new in novelty.items()]
            head = "minimum,relative_energy,new,frames,torsion_distance"
            (place / "novelty.csv").write_text("\n".join([head, *lines]) + "\n")
        return place

    return make


@pytest.fixture
def material(folder: Callable[..., Path]) -> Callable[..., Material]:
    """Makes what a report is made of, from the same arguments."""

    def make(*arguments: object, frames: torch.Tensor | None = None, **settings: object) -> Material:
        return Material.of(folder(*arguments, **settings), frames=frames)

    return make


@pytest.fixture
def verified() -> Callable[..., None]:
    """Says of a run that minima moved so far, and that the reference is higher by 1 eV and a gap (kcal/mol)."""

    def add(place: Path, *, moved: list[float], gap: list[float], level: str = "another") -> None:
        with RunStore.resume(place) as store, store.transaction():
            minima, n = store.minima(), len(moved)
            energy = minima.energy.numpy()[:n] + 1.0 + np.array(gap) * KCAL_PER_MOL
            store.add_verifications(
                Verifications(
                    minimum=np.arange(n),
                    level=np.array([level] * n, dtype=object),
                    outcome=np.full(n, CONVERGED),
                    unrelaxed_energy=energy,
                    energy=energy,
                    rmsd=np.array(moved),
                    heavy_rmsd=np.array(moved),
                    n_evaluations=np.full(n, 9),
                    positions=minima.positions[:n],
                )
            )

    return add


@pytest.fixture
def violated() -> Callable[..., None]:
    """Says of a run that its first quenches ended outside the chemistry, with these outcomes."""

    def add(place: Path, outcomes: list[Outcome]) -> None:
        with RunStore.resume(place) as store, store.transaction():
            n = len(outcomes)
            store.add_violations(
                Violations(
                    quench=torch.arange(n),
                    outcome=torch.tensor([int(code) for code in outcomes]),
                    energy=torch.zeros(n, dtype=torch.float64),
                    positions=store.molecule.positions.expand(n, -1, -1),
                )
            )

    return add
