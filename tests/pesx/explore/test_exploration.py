from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from pesx.chemistry.read import read_molecule
from pesx.explore.bench import LocalBench
from pesx.explore.exploration import Exploration, Sizes, local_bench, walkers_for
from pesx.explore.ledger import Ledger
from pesx.explore.presets import cluster_parts, surface_parts
from pesx.explore.stop import Progress, Stop
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.state import Evaluation
from pesx.typing import Positions

SIZES = Sizes(n_walkers=40, n_slots=32, dtype=torch.float64, commit_every=0.0)


def cluster(folder: Path, name: str, *, sizes: Sizes = SIZES, method: str = "mixed") -> tuple[Exploration, RunStore]:
    molecule = read_molecule(name)
    parts, archive = cluster_parts(LennardJones(), molecule, method=method, mirror="merge")  # type: ignore[arg-type]
    has_run = (folder / "landscape.db").exists()
    store = RunStore.resume(folder) if has_run else RunStore.create(folder, molecule)
    return Exploration(parts, sizes, archive=archive, ledger=Ledger(store), template=molecule.positions), store


@pytest.mark.parametrize("method", ["mixed", "basin-hopping", "minima-hopping"])
def test_all_minima_of_a_small_cluster_are_found(tmp_path: Path, method: str) -> None:
    search, store = cluster(tmp_path, "LJ7", method=method)
    reason = search.run(Stop(n_minima=4, max_quenches=3000))
    assert reason == "found the 4 minima asked for"
    with store:
        minima = store.minima()
        assert sorted(minima.energy.tolist()) == pytest.approx(
            [-16.505384, -15.935043, -15.593211, -15.533060], abs=1e-6
        )
        assert float(minima.fmax.max()) < 1e-7
        assert float(minima.lowest_curvature.min()) > 0.1


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[Exploration, RunStore]]:
    """A search whose polished ends wait for each other to be checked."""
    molecule = read_molecule("LJ7")
    parts, archive = cluster_parts(LennardJones(), molecule, mirror="merge")
    sizes = {"n_slots": SIZES.n_slots, "n_polishing": SIZES.n_walkers, "n_checking": 10**6}
    bench = LocalBench(parts.stages, molecule.positions, dtype=torch.float64, **sizes)  # type: ignore[arg-type]
    with RunStore.create(tmp_path, molecule) as store:
        ledger = Ledger(store)
        yield (
            Exploration(parts, SIZES, archive=archive, ledger=ledger, template=molecule.positions, bench=bench),
            store,
        )


def test_what_waits_to_be_checked_when_the_run_ends_is_checked_then(waiting: tuple[Exploration, RunStore]) -> None:
    search, store = waiting
    before = []

    def end_while_some_wait(_: Progress) -> None:
        if search._open:
            before.append(len(store.minima()))
            search.interrupt()

    search.run(Stop(n_minima=100, max_quenches=3000), end_while_some_wait)
    assert before[0] == 0
    assert not search._open
    assert len(store.minima()) >= 1


def test_an_interrupt_in_the_last_checks_writes_no_half_round(
    waiting: tuple[Exploration, RunStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, store = waiting
    record = search.ledger.record

    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    def end_while_some_wait(_: Progress) -> None:
        if search._open:
            monkeypatch.setattr(search.ledger, "record", interrupted)
            search.interrupt()

    with pytest.raises(KeyboardInterrupt):
        search.run(Stop(n_minima=100, max_quenches=3000), end_while_some_wait)
    monkeypatch.setattr(search.ledger, "record", record)
    saved = load(store.state()["engine"])
    assert store.n_quenches == len(store.minima()) == 0
    assert not saved["walkers/energy"].isfinite().any()


def test_every_quench_is_on_record_and_adds_up(tmp_path: Path) -> None:
    search, store = cluster(tmp_path, "LJ8")
    search.run(Stop(n_minima=100, max_quenches=300))
    with store:
        quenches, minima = store.quenches(), store.minima()
        assert len(quenches) == search.progress().n_quenches >= 300
        assert minima.visits.tolist() == search.archive.visits.tolist()
        assert int(minima.visits.sum()) == int((quenches.outcome == Outcome.CONVERGED).sum())
        assert set(quenches.move.tolist()) == {"seed", "displace", "resite", "escape"}
        # What is still in the slots has been evaluated, and belongs to no quench yet.
        assert 0 < quenches.n_evaluations.sum() <= search.n_evaluations
        assert store.check() == []


def test_slots_stay_full(tmp_path: Path) -> None:
    search, store = cluster(tmp_path, "LJ9")
    search.run(Stop(n_minima=100, max_quenches=300))
    store.close()
    assert search.progress().occupancy > 0.9


def record(folder: Path) -> tuple[list[float], list[float], list[int]]:
    with RunStore.read(folder) as store:
        return (
            store.minima().energy.tolist(),
            store.minima().positions.flatten().tolist(),
            store.quenches().n_evaluations.tolist(),
        )


def test_the_same_seed_gives_the_same_run_and_another_another(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        search, store = cluster(tmp_path / name, "LJ9", sizes=Sizes(20, 16, 4, seed=seed, dtype=torch.float64))
        search.run(Stop(n_minima=100, max_quenches=120))
        store.close()
    assert record(tmp_path / "a") == record(tmp_path / "b")
    assert record(tmp_path / "a") != record(tmp_path / "c")


def test_a_run_cut_in_pieces_is_the_run_in_one_piece(tmp_path: Path) -> None:
    search, store = cluster(tmp_path / "whole", "LJ9")
    search.run(Stop(n_minima=100, max_quenches=240))
    store.close()
    for limit in (50, 130, 131, 240):
        search, store = cluster(tmp_path / "pieces", "LJ9")
        search.run(Stop(n_minima=100, max_quenches=limit))
        store.close()
    assert record(tmp_path / "pieces") == record(tmp_path / "whole")


def test_walkers_are_added_when_the_bench_becomes_larger(tmp_path: Path) -> None:
    molecule = read_molecule("LJ7")
    parts, archive = cluster_parts(LennardJones(), molecule, mirror="merge")
    sizes = Sizes(n_walkers=6, n_slots=2, dtype=torch.float64, commit_every=0.0)
    bench = local_bench(parts.stages, replace(sizes, n_slots=12), molecule.positions)
    with RunStore.create(tmp_path, molecule) as store:
        search = Exploration(
            parts, sizes, archive=archive, ledger=Ledger(store), template=molecule.positions, bench=bench
        )
        search.run(Stop(n_minima=100, max_quenches=100))
        walkers = store.quenches().walker
    assert sorted(set(walkers.tolist())) == list(range(walkers_for(12)))
    search, store = cluster(tmp_path, "LJ7", sizes=sizes)
    search.run(Stop(n_minima=100, max_quenches=150))
    store.close()
    assert search.progress().n_quenches >= 150


def test_one_replica_that_fails_is_replaced_and_the_search_goes_on(tmp_path: Path) -> None:
    search, store = cluster(tmp_path, "LJ7")
    potential, calls = LennardJones(), [0]

    def faulty(positions: Positions) -> Evaluation:
        now, calls[0] = potential(positions), calls[0] + 1
        if calls[0] % 20 == 0:
            now.energy[0] = torch.nan
            now.forces[0] = torch.nan
        return now

    search.bench.slots._potential = faulty
    search.run(Stop(n_minima=4, max_quenches=2000))
    store.close()
    assert len(search.archive) == 4


def test_a_potential_that_is_always_wrong_ends_in_outcomes_not_in_a_crash(tmp_path: Path) -> None:
    search, store = cluster(tmp_path, "LJ5")

    def broken(positions: Positions) -> Evaluation:
        return Evaluation(positions.new_full((len(positions),), torch.nan), torch.full_like(positions, torch.nan))

    search.bench.slots._potential = broken
    search.run(Stop(n_minima=1, max_quenches=100))
    store.close()
    assert set(search.progress().outcomes) == {int(Outcome.NON_FINITE)}


def test_the_three_minima_of_the_muller_brown_surface(tmp_path: Path) -> None:
    atom = Molecule(numbers=torch.tensor([18]), positions=torch.zeros(1, 3))
    parts, archive = surface_parts(MullerBrown())
    with RunStore.create(tmp_path, atom) as store:
        search = Exploration(parts, SIZES, archive=archive, ledger=Ledger(store), template=atom.positions)
        search.run(Stop(n_minima=10, max_quenches=600))
        minima = store.minima()
    order = minima.energy.argsort()
    assert minima.energy[order].tolist() == pytest.approx([-146.699517, -108.166724, -80.767818], abs=1e-6)
    expected = torch.tensor([[-0.558224, 1.441726], [0.623499, 0.028038], [-0.050011, 0.466694]], dtype=torch.float64)
    assert torch.allclose(minima.positions[order][:, 0, :2], expected, atol=1e-5)
