"""The batch must not matter: a replica does in any company, in any slot, what it does alone."""

from collections.abc import Sequence

import pytest
import torch

from pesx.explore.escape import Escape
from pesx.explore.seeds import RandomSphere
from pesx.explore.slots import Job, Lane, Slots
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench
from pesx.state import Evaluation
from pesx.streams import Streams
from pesx.typing import Positions, Tensor

N_ATOMS, N_REPLICAS, N_STEPS = 9, 64, 60
RELAXER = Lbfgs(stiffness=500.0)


@pytest.fixture(scope="module")
def minima() -> Positions:
    walkers = torch.arange(N_REPLICAS)
    start = RandomSphere(N_ATOMS)(walkers, 0 * walkers, Streams(0, walkers.tolist(), [0] * N_REPLICAS))
    return quench(RELAXER, LennardJones(), start, convergence=Convergence(fmax=1e-6)).positions


def fill(minima: Positions, order: Sequence[int]) -> Slots:
    """Escapes in the first half of the replicas, quenches from a displaced start in the others; slots in a given order."""
    template = minima[:1]
    lanes = {"escape": Lane(Escape(displacement=0.01), template), "quench": Lane(RELAXER, template)}
    slots = Slots(LennardJones(), lanes, len(order))
    for walker in order:
        streams = Streams(1, [walker], [0])
        direction, positions = streams.normal(N_ATOMS, 3), minima[walker : walker + 1]
        job = Job.fresh(torch.tensor([walker]))
        if walker < N_REPLICAS // 2:
            kinetic = torch.full((1,), 4.0, dtype=torch.float64)
            lanes["escape"].put(job, Escape(displacement=0.01).launch(positions, direction, kinetic))
        else:
            lanes["quench"].put(job, RELAXER.init(positions + 0.3 * direction))
    return slots


def trajectories(slots: Slots, n_steps: int = N_STEPS) -> dict[int, Tensor]:
    """Positions along the way, by walker."""
    frames: dict[int, list[Tensor]] = {}
    for _ in range(n_steps):
        slots.advance()
        for lane in slots.lanes.values():
            for walker, positions in zip(lane.job.walker.tolist(), lane.seen, strict=True):
                frames.setdefault(walker, []).append(positions)
    return {walker: torch.stack(steps) for walker, steps in frames.items()}


def test_a_batch_gives_each_replica_the_trajectory_it_has_alone(minima: Positions) -> None:
    together = trajectories(fill(minima, range(N_REPLICAS)))
    assert len(together) == N_REPLICAS
    for walker in range(0, N_REPLICAS, 7):
        assert torch.equal(trajectories(fill(minima, [walker]))[walker], together[walker])


def test_the_order_of_the_slots_changes_nothing(minima: Positions) -> None:
    order = torch.randperm(N_REPLICAS, generator=torch.Generator().manual_seed(3)).tolist()
    ordered, shuffled = trajectories(fill(minima, range(N_REPLICAS))), trajectories(fill(minima, order))
    assert all(torch.equal(ordered[walker], shuffled[walker]) for walker in range(N_REPLICAS))


@pytest.mark.parametrize("victim", [3, 50])
def test_a_nan_in_one_slot_leaves_the_others_bit_identical(minima: Positions, victim: int) -> None:
    clean = trajectories(fill(minima, range(N_REPLICAS)))
    broken = minima.clone()
    broken[victim, 2, 1] = torch.nan
    if victim < N_REPLICAS // 2:
        # An escape starts from an archived minimum, which is finite; its fault comes from the potential on the way.
        slots = fill(minima, range(N_REPLICAS))
        potential = LennardJones()

        def faulty(positions: Positions) -> Evaluation:
            now = potential(positions)
            row = torch.arange(len(positions)) == victim
            return Evaluation(
                now.energy.masked_fill(row, torch.nan), now.forces.masked_fill(row[:, None, None], torch.nan)
            )

        slots._potential = faulty
    else:
        slots = fill(broken, range(N_REPLICAS))
    poisoned = trajectories(slots)
    assert not torch.isfinite(poisoned[victim]).all()
    for walker in set(range(N_REPLICAS)) - {victim}:
        assert torch.equal(poisoned[walker], clean[walker])


def test_replicas_that_leave_do_not_disturb_those_that_stay(minima: Positions) -> None:
    slots, undisturbed = fill(minima, range(N_REPLICAS)), fill(minima, range(N_REPLICAS))
    trajectories(slots, 10)
    for lane in slots.lanes.values():
        lane.take(lane.job.walker % 3 == 0)
    assert slots.n_free == N_REPLICAS - slots.n_busy > 0
    after = trajectories(slots, 10)
    whole = trajectories(undisturbed, 20)
    assert all(torch.equal(after[walker], whole[walker][10:]) for walker in after)


def test_counts_and_occupancy(minima: Positions) -> None:
    slots = fill(minima, range(8))
    slots.n_slots = 16
    trajectories(slots, 5)
    assert slots.n_evaluations == 40
    assert slots.occupancy == 0.5
    assert slots.lanes["escape"].job.n_evaluations.tolist() == [5] * 8


def test_a_snapshot_restores_everything(minima: Positions) -> None:
    slots = fill(minima, range(N_REPLICAS))
    trajectories(slots, 20)
    again = fill(minima, [0])
    again.restore(slots.snapshot())
    ahead, resumed = trajectories(slots, 20), trajectories(again, 20)
    assert ahead.keys() == resumed.keys()
    assert all(torch.equal(ahead[walker], resumed[walker]) for walker in ahead)
    assert again.n_evaluations == slots.n_evaluations


def test_empty_slots_do_nothing(minima: Positions) -> None:
    slots = Slots(LennardJones(), {"quench": Lane(RELAXER, minima[:1])}, 4)
    slots.advance()
    assert slots.n_evaluations == 0
    assert int(Outcome.RUNNING) == 0
