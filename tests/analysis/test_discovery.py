import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pesx.analysis import Discovery, Run, discovery, draw_discovery, write_discovery
from pesx.errors import InputError, RunFolderError
from pesx.landscape.completeness import completeness
from pesx.landscape.store import Quenches, RunStore, StoredMinima
from pesx.molecule import Molecule

ARGON = Molecule(numbers=torch.tensor([18, 18]), positions=torch.tensor([[0.0, 0, 0], [3.8, 0, 0]]))


def make_run(folder: Path, ends: np.ndarray, energy: list[float] | None = None) -> Run:
    """Write a run whose quenches ended in these minima (-1: in none), each after ten evaluations more than the last."""
    n, n_minima = len(ends), int(ends.max(initial=-1)) + 1
    column = torch.zeros(n_minima, dtype=torch.float64)
    minima = StoredMinima(
        positions=torch.zeros(n_minima, 2, 3, dtype=torch.float64),
        energy=column if energy is None else torch.tensor(energy, dtype=torch.float64),
        fmax=column,
        lowest_curvature=column,
        log_product=column,
        quench=torch.tensor([int(np.flatnonzero(ends == number)[0]) for number in range(n_minima)]),
        visits=torch.zeros(n_minima, dtype=torch.int64),
        keys=[""] * n_minima,
    )
    count, none = np.arange(n), np.full(n, -1)
    with RunStore.create(folder, ARGON) as store, store.transaction():
        store.add_minima(minima)
        store.add_quenches(
            Quenches(count, count, np.full(n, "kick"), count, none, 10 * (count + 1), ends, none, count > 0)
        )
    return Run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rng = np.random.default_rng(0)
    weight = 1 / np.arange(1, 401) ** 1.2
    draws = rng.choice(400, size=5000, p=weight / weight.sum())
    # Number the minima in the order of finding, as a run does, and let a tenth of the quenches fail.
    _, first, inverse = np.unique(draws, return_index=True, return_inverse=True)
    ends = np.full(5556, -1)
    ends[np.sort(rng.permutation(5556)[:5000])] = np.argsort(np.argsort(first))[inverse]
    return make_run(tmp_path_factory.mktemp("run"), ends)


def test_by_hand(tmp_path: Path):
    curve = discovery(make_run(tmp_path / "run", np.array([0, 1, -1, 0, 2])))
    assert curve.n_quenches.tolist() == [1, 2, 3, 4, 5]
    assert curve.n_evaluations.tolist() == [10, 30, 60, 100, 150]
    assert curve.n_minima.tolist() == [1, 2, 2, 2, 3]
    np.testing.assert_allclose(curve.unseen_mass, [1, 1, 1, 1 / 3, 2 / 4])


def test_a_window_counts_from_the_lowest_of_the_run(tmp_path: Path):
    run = make_run(tmp_path / "run", np.array([0, 1, 0, 2, 2]), energy=[1.0, 0.5, 0.0])
    assert discovery(run, window=0.6).n_minima.tolist() == [0, 1, 1, 2, 2]
    assert discovery(run, window=0.0).n_minima.tolist() == [0, 0, 0, 1, 1]
    assert discovery(run).n_minima.tolist() == [1, 2, 2, 3, 3]


def test_the_last_row_is_the_whole_run(run: Run):
    curve = discovery(run, n_points=37)
    seen = completeness(run.minima.visits)
    assert len(curve.n_quenches) == 37
    assert curve.n_quenches[-1] == len(run.quenches)
    assert curve.n_evaluations[-1] == run.quenches.n_evaluations.sum()
    assert curve.n_minima[-1] == len(run.minima)
    assert (curve.unseen_mass[-1], curve.n_estimated[-1]) == (seen.unseen_mass, seen.n_estimated)
    assert (np.diff(curve.n_minima) >= 0).all()
    assert (np.diff(curve.n_quenches) > 0).all()


def test_the_table_reads_back(run: Run, tmp_path: Path):
    curve = discovery(run, n_points=20)
    write_discovery(curve, tmp_path / "discovery.csv")
    with (tmp_path / "discovery.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in Discovery.__dataclass_fields__:
        np.testing.assert_array_equal([float(row[name]) for row in rows], getattr(curve, name))


@pytest.mark.parametrize("against", ["quenches", "evaluations"])
def test_the_figure_is_readable_at_column_width_and_the_same_each_time(run: Run, tmp_path: Path, against: str):
    curve = discovery(run)
    for name in ("a.png", "b.png"):
        draw_discovery(curve, tmp_path / name, title="Ar2", against=against)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1005, 1080)
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_vector_figures_are_the_same_each_time(run: Run, tmp_path: Path, ending: str):
    curve = discovery(run)
    for name in ("a", "b"):
        draw_discovery(curve, tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


@pytest.mark.parametrize("ends", [[0], [0, 0, 0, 0], [-1, -1, 0]])
def test_the_shortest_runs_can_be_drawn(tmp_path: Path, ends: list[int]):
    curve = discovery(make_run(tmp_path / "run", np.array(ends)))
    draw_discovery(curve, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 0


def test_no_global_state_of_pyplot(run: Run, tmp_path: Path):
    draw_discovery(discovery(run), tmp_path / "figure.png")
    assert "matplotlib.pyplot" not in sys.modules


def test_an_empty_run_has_no_curve(tmp_path: Path):
    with pytest.raises(RunFolderError, match="found none yet"):
        discovery(make_run(tmp_path / "run", np.array([-1, -1])))


@pytest.mark.parametrize("changes", [{"window": -1.0}, {"n_points": 0}])
def test_settings_are_checked(run: Run, changes: dict[str, float]):
    with pytest.raises(InputError, match="n_points >= 1 and window >= 0"):
        discovery(run, **changes)
    with pytest.raises(InputError, match="against"):
        draw_discovery(discovery(run), "figure.png", against="hours")
