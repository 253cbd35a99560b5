import os

import torch

from pesx.chemistry.read import read_molecule
from pesx.distributed.plan import BenchPlan, PotentialPlan
from pesx.distributed.worker import Orders, Worker
from pesx.explore.walkers import Hops

PLAN = BenchPlan(PotentialPlan("lennard-jones", None, "", read_molecule("LJ4"), "cpu"), n_slots=4, dtype=torch.float64)


def test_a_worker_reports_what_ends() -> None:
    worker = Worker(PLAN)
    assert worker.place().process == os.getpid()
    positions = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    still = torch.zeros(3, dtype=torch.float64)
    orders = Orders(starts=[(torch.arange(3), Hops(positions, torch.zeros_like(positions), still, still.long()))])
    assert orders
    report = worker.work(orders, 60.0)
    assert report.quenched is not None
    assert report.n_evaluations >= report.n_busy_steps > 0
    polished = worker.work(Orders(polishes=[report.quenched]), 60.0)
    while polished.polished is None:
        polished = worker.work(Orders(), 60.0)
    checked = worker.work(Orders(checks=[(polished.polished.job.walker, polished.polished.minima.positions)]), 60.0)
    assert checked.checked is not None
    assert (checked.checked.modes.n_negative == 0).all()


def test_a_worker_without_news_reports_in_time() -> None:
    report = Worker(PLAN).work(Orders(), 0.0)
    assert report.quenched is None
    assert report.n_evaluations == 0


def test_a_worker_with_many_slots_waits_for_more_than_one_end() -> None:
    worker = Worker(BenchPlan(PLAN.potential, n_slots=64, dtype=torch.float64))
    positions = torch.randn(64, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    still = torch.zeros(64, dtype=torch.float64)
    orders = Orders(starts=[(torch.arange(64), Hops(positions, torch.zeros_like(positions), still, still.long()))])
    seen: list[int] = []
    while len(seen) < 64:
        quenched = worker.work(orders, 60.0 if len(seen) <= 60 else 0.0).quenched
        orders = Orders()
        if quenched is not None:
            seen += quenched.job.walker.tolist()
            assert len(quenched.job.walker) >= 4 or len(seen) > 60
    assert sorted(seen) == list(range(64))
