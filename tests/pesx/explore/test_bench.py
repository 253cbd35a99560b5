from dataclasses import replace

import torch

from pesx.chemistry.read import read_molecule
from pesx.explore.bench import PATIENCE, Bench, LocalBench, Stages
from pesx.explore.escape import Escape
from pesx.explore.presets import cluster_stages
from pesx.explore.walkers import Hops
from pesx.outcome import Outcome
from pesx.potentials.learned import LearnedPotential
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.modes import modes
from pesx.relax.two_stage import molecular_stages
from pesx.so3krates.checkpoint import load

LJ5 = read_molecule("LJ5")


def bench() -> LocalBench:
    stages = cluster_stages(LennardJones())
    return LocalBench(stages, LJ5.positions, n_slots=4, n_polishing=4, dtype=torch.float64)


def hops(n: int, *, kinetic: float = 0.0) -> Hops:
    generator = torch.Generator().manual_seed(5)
    positions = torch.randn(n, 5, 3, generator=generator, dtype=torch.float64)
    return Hops(positions, torch.randn_like(positions), torch.full((n,), kinetic).double(), torch.zeros(n).long())


def test_hops_pass_all_stages() -> None:
    work, walker = bench(), torch.tensor([7, 3, 9])
    work.start(walker, hops(3))
    assert isinstance(work, Bench)
    assert work.n_free == 1
    rough = []
    while work.n_free < 4:
        work.advance()
        if (ended := work.take_quenched()) is not None:
            rough += ended.job.walker.tolist()
            work.polish(ended)
    assert sorted(rough) == [3, 7, 9]
    polished = {}
    while len(polished) < 3:
        work.advance()
        if (ended := work.take_polished()) is not None:
            polished |= dict(zip(ended.job.walker.tolist(), ended.minima.energy.tolist(), strict=True))
            assert (ended.minima.outcome == Outcome.CONVERGED).all()
            work.check(ended.job.walker, ended.minima.positions)
            checked = work.take_checked()
            assert checked is not None
            assert checked.walker.tolist() == ended.job.walker.tolist()
            assert (checked.modes.n_negative == 0).all()
    # LJ5 has one minimum, the trigonal bipyramid.
    assert all(abs(energy + 9.103852) < 1e-6 for energy in polished.values())
    assert not len(work.take_lost())


def test_evaluations_of_all_stages_are_counted() -> None:
    work = bench()
    work.start(torch.tensor([0]), hops(1))
    work.advance()
    while (ended := work.take_quenched()) is None:
        work.advance()
    n_rough = int(ended.job.n_evaluations)
    work.polish(ended)
    work.advance()
    while (ended := work.take_polished()) is None:
        work.advance()
    n_polished = int(ended.job.n_evaluations)
    before = work.n_evaluations
    work.check(ended.job.walker, ended.minima.positions)
    assert work.take_checked() is not None
    assert work.n_evaluations == before + 6 * 5
    assert n_rough < n_polished <= before


def test_a_bench_goes_on_from_its_snapshot() -> None:
    first, second = bench(), bench()
    first.start(torch.tensor([4, 2]), hops(2, kinetic=3.0))
    for _ in range(3):
        first.advance()
    assert sorted(second.restore(first.snapshot()).tolist()) == [2, 4]
    for work in (first, second):
        work.advance()
    one, other = (work.snapshot() for work in (first, second))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_snapshot_of_another_kind_of_bench_brings_only_its_count() -> None:
    work = bench()
    assert len(work.restore({"n_elsewhere": torch.tensor(120)})) == 0
    assert work.n_evaluations == 120
    later = bench()
    later.restore(work.snapshot())
    assert later.n_evaluations == 120


def test_hops_do_not_depend_on_who_else_is_there() -> None:
    ends = []
    for rows in ([0, 1, 2], [1]):
        work, chosen, found = bench(), hops(3), {}
        work.start(torch.tensor(rows), replace(chosen, **{name: getattr(chosen, name)[rows] for name in vars(chosen)}))
        while len(found) < len(rows):
            work.advance()
            if (ended := work.take_quenched()) is not None:
                found |= dict(zip(ended.job.walker.tolist(), ended.minima.positions, strict=True))
        ends.append(found[1])
    assert torch.equal(*ends)


def test_checks_wait_for_each_other_but_not_for_long() -> None:
    stages = cluster_stages(LennardJones())
    calls = []

    def counted(positions):
        calls.append(len(positions))
        return stages.modes(positions)

    def busy() -> LocalBench:
        calls.clear()
        work = LocalBench(
            replace(stages, modes=counted), LJ5.positions, n_slots=4, n_polishing=4, n_checking=3, dtype=torch.float64
        )
        work.start(torch.tensor([9]), hops(1))
        return work

    positions, work = hops(4).positions, busy()
    assert work.take_checked() is None
    for number in (0, 1):
        work.check(torch.tensor([number]), positions[number : number + 1])
        assert work.take_checked() is None
    work.check(torch.tensor([2, 3]), positions[2:])
    checked = work.take_checked()
    assert checked is not None
    assert checked.walker.tolist() == [0, 1, 2, 3]
    assert calls == [4]
    assert work.n_evaluations == int(stages.modes(positions).n_evaluations.sum())
    together = stages.modes(positions)
    assert torch.equal(checked.modes.lowest, together.lowest)

    work = busy()
    work.check(torch.tensor([0]), positions[:1])
    assert [work.take_checked() is None for _ in range(PATIENCE)] == [True] * (PATIENCE - 1) + [False]

    work = busy()
    work.check(torch.tensor([0]), positions[:1])
    while work.take_quenched() is None:
        work.advance()
    assert work.take_checked() is not None


def test_a_step_asks_the_device_for_few_numbers_however_many_replicas_there_are(host_reads) -> None:
    molecule = read_molecule("CC(=O)N[C@@H](C)C(=O)NC")
    potential = LearnedPotential(load()[0], molecule.numbers, way="program")
    stages = Stages(
        potential, Escape(), molecular_stages(molecule), modes=lambda positions: modes(potential, positions)
    )
    work = LocalBench(stages, molecule.positions, n_slots=12, n_polishing=4)
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(12, molecule.n_atoms, 3, generator=generator, dtype=torch.float64)
    kinetic = torch.tensor([0.5] * 4 + [0.0] * 8).double()
    start = Hops(molecule.positions + 0.02 * noise, noise, kinetic, torch.zeros(12).long())
    work.start(torch.arange(12), start)
    work.advance()
    n_steps = 10
    with host_reads() as seen:
        for _ in range(n_steps):
            work.slots.advance()
    # The number of pairs, who is in which stage, and whose metric is old; more only when a replica changes its stage.
    assert 3 * n_steps <= seen.total() <= 4 * n_steps, seen
