"""The bench of many workers, on a real cluster of this machine."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pesx.errors import EngineError
from pesx.explore.bench import Bench
from pesx.explore.walkers import Hops
from pesx.landscape.store import RunStore
from pesx.run import Run
from pesx.settings import ExploreSettings

ray = pytest.importorskip("ray")
from pesx.distributed.bench import RayBench  # noqa: E402
from pesx.distributed.cluster import Cluster  # noqa: E402

LOWEST_OF_LJ7 = [-16.505384, -15.935043, -15.593211, -15.533060]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        yield found


def lj7(**more: object) -> ExploreSettings:
    settings = {"molecule": "LJ7", "potential": "lennard-jones", "mirror": "merge", "n_minima": 4, "replicas": 8}
    return ExploreSettings(**(settings | {"ray": "auto", "workers": 2} | more))


def energies(folder: Path) -> list[float]:
    with RunStore.read(folder) as store:
        assert store.check() == []
        return sorted(store.minima().energy.tolist())


def test_two_workers_find_what_one_process_finds_though_one_is_killed(tmp_path: Path) -> None:
    with Run.start(lj7(), tmp_path) as run:
        bench = run.exploration.bench
        assert isinstance(bench, RayBench)
        assert isinstance(bench, Bench)
        killed: list[int] = []

        def kill_one(_: object) -> None:
            if not killed and bench.places:
                killed.append(bench.places[0].process)
                os.kill(killed[0], signal.SIGKILL)

        assert run.go(kill_one) == "found the 4 minima asked for"
        assert killed
        assert 0.0 < bench.occupancy <= 1.0
    assert energies(tmp_path) == pytest.approx(LOWEST_OF_LJ7, abs=1e-6)


def hops(n: int) -> Hops:
    zeros = torch.zeros(n, 3, 3, dtype=torch.float64)
    return Hops(zeros, zeros, zeros[:, 0, 0], zeros[:, 0, 0].long())


class Broken:
    """Makes no bench."""

    def __call__(self) -> None:
        raise RuntimeError("no such thing here")


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_run_with_their_reason(cluster: Cluster) -> None:
    bench = RayBench(cluster, Broken(), n_slots=2, n_workers=2)

    def go_on() -> None:
        for _ in range(200):
            bench.advance()

    with pytest.raises(EngineError, match="no such thing here"):
        go_on()


class Deadly:
    """A bench over which every worker dies."""

    device = "cpu"

    def __call__(self) -> "Deadly":
        return self

    def start(self, *_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_work_that_kills_every_worker_ends_the_run(cluster: Cluster) -> None:
    bench = RayBench(cluster, Deadly(), n_slots=1, n_workers=1)

    def go_on() -> None:
        while True:
            if bench.n_free:
                bench.start(torch.tensor([0]), hops(1))
            bench.advance()

    with pytest.raises(EngineError, match="died before they had done anything"):
        go_on()


class Sleeper:
    """A bench that never comes back."""

    device = "cpu"

    def __call__(self) -> "Sleeper":
        return self

    def start(self, *_: object) -> None:
        time.sleep(600)


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced_and_its_walkers_are_given_back(cluster: Cluster) -> None:
    bench = RayBench(cluster, Sleeper(), n_slots=2, n_workers=1, patience=0.3)
    while not bench.n_free:
        bench.advance()
    bench.start(torch.tensor([5, 8]), hops(2))
    lost = bench.take_lost()
    while not len(lost):
        bench.advance()
        lost = bench.take_lost()
    assert lost.tolist() == [5, 8]
    assert bench.n_replaced == 1


@pytest.mark.slow
def test_ten_kills_at_random_cost_no_minimum(tmp_path: Path) -> None:
    rng, killed, last = random.Random(0), [], [time.monotonic()]
    with Run.start(lj7(molecule="LJ8", n_minima=100, max_quenches=1500, patience=0.0), tmp_path) as run:
        bench = run.exploration.bench

        def kill(_: object) -> None:
            if len(killed) < 10 and len(bench.places) == 2 and time.monotonic() - last[0] > 1.5:
                killed.append(rng.choice(bench.places).process)
                os.kill(killed[-1], signal.SIGKILL)
                last[0] = time.monotonic()

        assert run.go(kill) == "used the 1500 quenches allowed"
        assert bench.n_replaced == len(killed) == 10
    assert len(energies(tmp_path)) == 8


@pytest.mark.slow
def test_a_run_goes_on_with_and_without_a_cluster(tmp_path: Path) -> None:
    with Run.start(lj7(n_minima=100, max_quenches=60), tmp_path) as run:
        run.go()
        counted = run.exploration.n_evaluations
    with Run.resume(tmp_path, max_quenches=120, ray="") as run:
        assert run.exploration.n_evaluations >= counted
        run.go()
        counted = run.exploration.n_evaluations
    with Run.resume(tmp_path, max_quenches=200, ray="auto") as run:
        assert run.exploration.n_evaluations >= counted
        run.go()
    assert energies(tmp_path) == pytest.approx(LOWEST_OF_LJ7, abs=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_machines_may_join_and_leave_while_it_runs(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        settings = lj7(molecule="LJ13", n_minima=10**5, patience=0.0, ray=nodes.address, workers=0)
        with Run.start(settings, tmp_path) as run:
            seen, joined = [0], []

            def look(_: object) -> None:
                n_workers = len(run.exploration.bench.places)
                if n_workers == seen[-1]:
                    return
                seen.append(n_workers)
                if seen == [0, 1]:
                    joined.append(nodes.add_node(num_cpus=1))
                elif seen == [0, 1, 2]:
                    nodes.remove_node(joined[0], allow_graceful=False)
                elif len(seen) == 4:
                    run.exploration.interrupt()

            assert run.go(look) == "interrupted"
            # Walkers came with the second worker, and stay when it goes.
            assert len(run.exploration.walkers.energy) > 12
        assert seen == [0, 1, 2, 1]
    finally:
        nodes.shutdown()
    assert energies(tmp_path)
