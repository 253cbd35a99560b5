"""The learned potential in the slots: the batch must not matter there either, to the last bit."""

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.explore.escape import Escape
from pesx.explore.presets import molecule_parts
from pesx.explore.slots import Job, Lane, Slots
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.streams import Streams
from pesx.typing import Positions, Tensor

N_REPLICAS, N_STEPS = 64, 8


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return read_molecule("CC(=O)NC")


@pytest.fixture(scope="module")
def potential(molecule: Molecule) -> LearnedPotential:
    torch.manual_seed(0)
    # Weights do not matter here; the widths are those that the padding of products is made for.
    return LearnedPotential(So3krates(So3kratesSettings(features=64, degrees=(1, 2, 3, 4))), molecule.numbers)


@pytest.fixture(scope="module")
def starts(molecule: Molecule) -> Positions:
    noise = Streams(3, range(N_REPLICAS), [0] * N_REPLICAS).normal(molecule.n_atoms, 3)
    return molecule.positions + 0.1 * noise


def trajectories(
    potential: LearnedPotential, molecule: Molecule, starts: Positions, order: list[int]
) -> dict[int, Tensor]:
    """Escapes in the first half of the replicas, quenches as a search makes them in the others."""
    parts, _ = molecule_parts(potential, molecule, n_seeds=0)
    lanes = {"escape": Lane(parts.stages.escape, starts[:1]), "quench": Lane(parts.stages.relaxation.rough, starts[:1])}
    slots, frames = Slots(potential, lanes, len(order)), {walker: [] for walker in order}
    for walker in order:
        job, positions = Job.fresh(torch.tensor([walker])), starts[walker : walker + 1]
        if walker < N_REPLICAS // 2:
            direction = Streams(1, [walker], [0]).normal(molecule.n_atoms, 3)
            kinetic = torch.ones(1, dtype=starts.dtype)
            lanes["escape"].put(job, Escape(n_soften=4).launch(positions, direction, kinetic))
        else:
            lanes["quench"].put(job, parts.stages.relaxation.rough.init(positions))
    for _ in range(N_STEPS):
        slots.advance()
        for lane in slots.lanes.values():
            for walker, seen in zip(lane.job.walker.tolist(), lane.seen, strict=True):
                frames[walker].append(seen)
    return {walker: torch.stack(steps) for walker, steps in frames.items()}


def test_batch_order_and_a_nan_change_no_bit_of_the_others(
    potential: LearnedPotential, molecule: Molecule, starts: Positions
) -> None:
    together = trajectories(potential, molecule, starts, list(range(N_REPLICAS)))
    for walker in (0, 13, 40, 63):
        assert torch.equal(trajectories(potential, molecule, starts, [walker])[walker], together[walker])

    order = torch.randperm(N_REPLICAS, generator=torch.Generator().manual_seed(2)).tolist()
    shuffled = trajectories(potential, molecule, starts, order)
    assert all(torch.equal(shuffled[walker], together[walker]) for walker in order)

    broken = starts.clone()
    broken[50, 4, 0] = torch.nan
    poisoned = trajectories(potential, molecule, broken, list(range(N_REPLICAS)))
    assert all(torch.equal(poisoned[walker], together[walker]) for walker in order if walker != 50)
