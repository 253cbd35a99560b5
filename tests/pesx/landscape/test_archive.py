import time

import numpy as np
import pytest
import torch

from pesx.errors import InputError
from pesx.identity.cluster import ClusterIdentity
from pesx.identity.molecular import MolecularIdentity
from pesx.landscape.archive import MinimaArchive, _digest, _gap
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.protocols import Identity
from pesx.state import Minima
from pesx.typing import Fingerprints, PerReplica, Positions, Tensor


class Fixed:
    """Structures are equal where their coordinates are; fingerprint: sorted distances. Counts what is asked of it."""

    def __init__(self) -> None:
        self.n_calls = 0
        self.n_pairs = 0

    def fingerprint(self, positions: Positions) -> Fingerprints:
        i, j = torch.triu_indices(positions.shape[1], positions.shape[1], 1)
        return (positions[:, i] - positions[:, j]).norm(dim=-1).sort(dim=-1).values

    def distance(self, a: Positions, b: Positions) -> PerReplica:
        self.n_calls += 1
        self.n_pairs += len(a)
        return (a - b).square().sum(dim=(1, 2)).div(a.shape[1]).sqrt()


def structures(n: int, n_atoms: int = 5, seed: int = 0) -> Tensor:
    return 2 * torch.randn(n, n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def minima(positions: Tensor, energy: Tensor | list[float], outcome: list[int] | None = None) -> Minima:
    n = len(positions)
    return Minima(
        positions=positions,
        energy=torch.as_tensor(energy, dtype=torch.float64),
        fmax=torch.zeros(n, dtype=torch.float64),
        outcome=torch.tensor(outcome or [int(Outcome.CONVERGED)] * n),
        n_evaluations=torch.ones(n, dtype=torch.int64),
    )


def archive(**changes: float) -> MinimaArchive:
    return MinimaArchive(Fixed(), **({"energy_tolerance": 1e-3, "distance_tolerance": 0.1} | changes))


def test_repeats_within_a_batch_are_found():
    a, b = structures(2)
    found = archive()
    said = found.add(minima(torch.stack([a, b, a + 1e-4, b]), [0.0, 1.0, 1e-4, 1.0]), [""] * 4)
    assert said.index.tolist() == [0, 1, 0, 1]
    assert said.is_new.tolist() == [True, True, False, False]
    assert found.visits.tolist() == [2, 2]
    assert found.energies.tolist() == [0.0, 1.0]
    torch.testing.assert_close(found.positions, torch.stack([a, b]), rtol=0, atol=0)


def test_known_minima_are_recognised_in_later_batches():
    pool, found = structures(30), archive()
    energy = torch.linspace(0, 1, 30, dtype=torch.float64)
    found.add(minima(pool, energy), [""] * 30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    noise = 1e-3 * structures(30, seed=2)
    said = found.add(minima((pool + noise)[order], energy[order] + 1e-5), [""] * 30)
    assert said.index.tolist() == order.tolist()
    assert not said.is_new.any()
    assert found.visits.tolist() == [2] * 30


@pytest.mark.parametrize("stage", ["energy", "distance", "key"])
def test_one_difference_is_enough(stage: str):
    (a,), found = structures(1), archive()
    found.add(minima(a[None], [0.0]), ["L"])
    other = minima(a[None] + (0.2 if stage == "distance" else 0.0), [2e-3 if stage == "energy" else 0.0])
    said = found.add(other, ["D" if stage == "key" else "L"])
    assert said.index.tolist() == [1]
    assert said.is_new.tolist() == [True]


BUTANE = Molecule(
    numbers=torch.tensor([6] * 4 + [1] * 10),
    positions=2 * structures(1, n_atoms=14, seed=8)[0],
    bonds=torch.tensor(
        [[0, 1], [1, 2], [2, 3], [0, 4], [0, 5], [0, 6], [1, 7], [1, 8], [2, 9], [2, 10], [3, 11], [3, 12], [3, 13]]
    ),
)
TURNED_METHYL = [0, 1, 2, 3, 5, 6, 4, *range(7, 14)]


@pytest.mark.parametrize(
    ("identity", "order"),
    [(ClusterIdentity(torch.full((14,), 18)), [*range(13, -1, -1)]), (MolecularIdentity(BUTANE), TURNED_METHYL)],
    ids=["cluster", "molecule"],
)
def test_turned_and_renumbered_copies_are_known_and_mirror_images_are_not(identity: Identity, order: list[int]):
    found = MinimaArchive(identity, energy_tolerance=1e-3, distance_tolerance=0.05)
    pool, energy = structures(12, n_atoms=14), torch.zeros(12, dtype=torch.float64)
    found.add(minima(pool, energy), [""] * 12)
    assert len(found) == 12
    turn = torch.linalg.qr(structures(12, n_atoms=3, seed=7)).Q
    turn = turn * torch.linalg.det(turn)[:, None, None]
    copies = pool[:, order] @ turn + 1e-4 * structures(12, n_atoms=14, seed=3)
    assert found.match(copies, energy, [""] * 12).tolist() == list(range(12))
    assert found.match(-copies, energy, [""] * 12).tolist() == [-1] * 12


def test_tolerances_include_their_ends():
    a = torch.zeros(1, 2, 3, dtype=torch.float64)
    a[0, 1, 0] = 1.0
    found = archive(energy_tolerance=0.25, distance_tolerance=0.5)
    found.add(minima(a, [0.0]), [""])
    moved = a + torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64)
    assert found.match(moved, torch.tensor([0.25]), [""]).tolist() == [0]
    assert found.match(moved, torch.tensor([0.26]), [""]).tolist() == [-1]
    assert found.match(moved + 1e-6, torch.tensor([0.25]), [""]).tolist() == [-1]


def test_the_nearest_of_several_wins():
    a = structures(1)
    found = archive(distance_tolerance=0.1)
    found.add(minima(torch.cat([a, a + 0.09]), [0.0, 0.0]), [""] * 2)
    assert len(found) == 2
    assert found.match(a + 0.03, torch.zeros(1), [""]).tolist() == [0]
    assert found.match(a + 0.06, torch.zeros(1), [""]).tolist() == [1]


def test_wider_tolerances_of_one_call():
    a, found = structures(1), archive()
    found.add(minima(a, [0.0]), [""])
    probe = a + 0.1, torch.tensor([0.5]), [""]
    assert found.match(*probe).tolist() == [-1]
    assert found.match(*probe, energy_tolerance=1.0, distance_tolerance=0.2).tolist() == [0]
    assert found.visits.tolist() == [1]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.CONVERGED])
def test_only_converged_rows_are_admitted(outcome: Outcome):
    pool, found = structures(3), archive()
    said = found.add(minima(pool, [0.0, 1.0, 2.0], [1, int(outcome), 1]), [""] * 3)
    assert said.index.tolist() == [0, -1, 1]
    assert said.is_new.tolist() == [True, False, True]


def test_rows_that_are_not_finite_are_passed_over_and_change_nothing_else():
    pool, energy = structures(4), torch.arange(4, dtype=torch.float64)
    broken, wrong = pool.clone(), energy.clone()
    broken[1, 0, 0], wrong[2] = torch.nan, torch.nan
    found = archive()
    said = found.add(minima(broken, wrong), [""] * 4)
    assert said.index.tolist() == [0, -1, -1, 1]
    assert found.match(broken, wrong, [""] * 4).tolist() == [0, -1, -1, 1]


def test_a_batch_is_the_same_as_row_by_row():
    generator = torch.Generator().manual_seed(3)
    centres = structures(6)
    pick = torch.randint(6, (200,), generator=generator)
    # Clouds as wide as the tolerance, so that who was first and who is nearest both matter.
    cloud = 0.04 * torch.randn(200, 5, 3, dtype=torch.float64, generator=generator)
    energy = 1e-3 * torch.rand(200, dtype=torch.float64, generator=generator)
    keys = [str(key) for key in torch.randint(2, (200,), generator=generator).tolist()]
    positions = centres[pick] + cloud
    together, apart = archive(), archive()
    index = []
    for rows in torch.arange(200).split(40):
        index += together.add(minima(positions[rows], energy[rows]), [keys[row] for row in rows]).index.tolist()
    alone = [apart.add(minima(positions[[row]], energy[[row]]), [keys[row]]).index.item() for row in range(200)]
    assert 12 < len(apart) < 150
    assert index == alone
    assert together.visits.tolist() == apart.visits.tolist()
    assert together.visits.sum() == 200


def test_filters_never_hide_what_exact_distances_would_find():
    found = archive(energy_tolerance=1.0, distance_tolerance=0.3)
    pool = structures(40)
    found.add(minima(pool, torch.zeros(40)), [""] * 40)
    shift = structures(40, seed=5)
    shift *= 0.299 / shift.square().sum(dim=(1, 2), keepdim=True).div(5).sqrt()
    assert found.match(pool + shift, torch.zeros(40), [""] * 40).tolist() == list(range(40))


def test_exact_distances_are_asked_once_for_the_survivors_of_the_batch():
    found = archive()
    pool, energy = structures(50), torch.arange(50, dtype=torch.float64)
    found.add(minima(pool, energy), [""] * 50)
    found.identity.n_calls = found.identity.n_pairs = 0
    found.match(pool[10:30], energy[10:30], [""] * 20)
    assert (found.identity.n_calls, found.identity.n_pairs) == (1, 20)


def test_conclusive_fingerprints_save_the_exact_distances():
    pool, energy = structures(50), torch.arange(50, dtype=torch.float64)
    pool[40] = pool[3] + 0.05 * structures(1, seed=9)
    energy[40] = energy[3]
    asking, sure = archive(distance_tolerance=0.05), archive(distance_tolerance=0.05, conclusive_gap=1e-3)
    for rows in (torch.arange(50), torch.arange(50).flip(0)):
        said = [found.add(minima(pool[rows], energy[rows]), [""] * 50).index for found in (asking, sure)]
        assert torch.equal(*said)
    assert len(sure) == 50
    assert sure.identity.n_pairs < asking.identity.n_pairs / 10


def test_windows_are_counted_from_the_lowest():
    found = archive()
    assert found.lowest == float("inf")
    assert found.n_within(1.0) == 0
    assert found.visits_within(1.0).tolist() == []
    found.add(minima(structures(4), [3.0, -1.0, 0.0, -0.5]), [""] * 4)
    found.visit(torch.tensor([3, 3, -1, 2]))
    assert found.lowest == -1.0
    assert [found.n_within(window) for window in (0.0, 0.5, 1.0, 10.0)] == [1, 2, 3, 4]
    assert found.visits_within(1.0).tolist() == [1, 3, 2]


def test_windows_hold_after_growth():
    found, pool = archive(), structures(500)
    energy = torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    for rows in torch.arange(500).split(7):
        found.add(minima(pool[rows], energy[rows]), [""] * len(rows))
    assert torch.equal(found.energies, energy)
    assert torch.equal(found.positions, pool)
    assert found.n_within(0.3) == int((energy <= energy.min() + 0.3).sum())


def test_a_restored_archive_goes_on_as_if_nothing_had_happened():
    pool, energy = structures(60), torch.linspace(0, 1, 60, dtype=torch.float64).round(decimals=1)
    keys = [str(row % 3) for row in range(60)]
    whole, first, second = archive(), archive(), archive()
    whole.add(minima(pool[:40], energy[:40]), keys[:40])
    first.add(minima(pool[:40], energy[:40]), keys[:40])
    second.restore(first.positions, first.energies, first.keys, first.visits)
    a = whole.add(minima(pool[20:], energy[20:]), keys[20:])
    b = second.add(minima(pool[20:], energy[20:]), keys[20:])
    assert torch.equal(a.index, b.index)
    assert torch.equal(a.is_new, b.is_new)
    assert torch.equal(whole.visits, second.visits)
    assert whole.keys == second.keys == keys
    assert torch.equal(whole.visits_within(0.5), second.visits_within(0.5))
    with pytest.raises(InputError, match="empty archive"):
        second.restore(first.positions, first.energies, first.keys, first.visits)


def test_an_empty_archive_knows_nothing():
    found = archive()
    assert found.match(structures(2), torch.zeros(2), [""] * 2).tolist() == [-1, -1]
    said = found.add(minima(structures(0), []), [])
    assert said.index.tolist() == []
    found.restore(structures(0), torch.zeros(0), [], torch.zeros(0, dtype=torch.int64))
    assert len(found) == 0
    assert found.keys == []


def test_a_wide_window_is_worked_off_in_pieces(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pesx.landscape.archive._PAIRS_PER_FILTER", 7)
    monkeypatch.setattr("pesx.landscape.archive._PAIRS_PER_CALL", 3)
    found = archive(energy_tolerance=10.0, distance_tolerance=0.1)
    pool = structures(20)
    found.add(minima(pool, torch.zeros(20)), [""] * 20)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    assert found.match(pool[order], torch.zeros(20), [""] * 20).tolist() == order.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"energy_tolerance": 0.0},
        {"distance_tolerance": float("nan")},
        {"conclusive_gap": -1.0},
        {"conclusive_gap": 9.0},
    ],
)
def test_tolerances_are_checked(changes: dict[str, float]):
    with pytest.raises(InputError, match=next(iter(changes))):
        archive(**changes)


def test_lengths_must_fit():
    with pytest.raises(InputError, match="as many energies and keys"):
        archive().match(structures(3), torch.zeros(2), [""] * 3)


def test_a_quench_costs_little_against_many_minima():
    found = archive(energy_tolerance=1e-6)
    pool = structures(1500, n_atoms=13)
    energy = 6 * torch.rand(1500, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    found.add(minima(pool, energy), [""] * 1500)
    picks = np.random.default_rng(0).integers(1500, size=(50, 20))
    start = time.thread_time()
    for pick in picks:
        found.add(minima(pool[pick], energy[pick]), [""] * 20)
    # Some 15 microseconds on one core; the bound allows for a slow and busy machine.
    assert (time.thread_time() - start) / picks.size < 100e-6
    assert len(found) == 1500


@pytest.mark.parametrize("n_entries", [1, 16, 17, 861])
def test_digests_differ_by_no_more_than_fingerprints(n_entries: int) -> None:
    a, b = np.random.default_rng(2).normal(size=(2, 50, n_entries))
    least = _gap(_digest(a), _digest(b), n_entries)
    assert (least <= _gap(a, b, n_entries) * (1 + 1e-12)).all()
    shifted = a + 0.3  # what moves all entries alike is seen in full
    assert _gap(_digest(a), _digest(shifted), n_entries) == pytest.approx(0.3)
