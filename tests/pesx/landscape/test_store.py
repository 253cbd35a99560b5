import sqlite3
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from pesx.errors import InputError
from pesx.identity.surface import SurfaceIdentity
from pesx.landscape import schema
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import Connections, Searches, StoredTransitionStates, Verifications
from pesx.landscape.store import RunStore
from pesx.state import Minima


def same(a: object, b: object, *, but: tuple[str, ...] = ()) -> None:
    for field in fields(a):  # type: ignore[arg-type]
        if field.name not in but:
            np.testing.assert_array_equal(np.asarray(getattr(a, field.name)), np.asarray(getattr(b, field.name)))


def test_what_goes_in_comes_out(store: RunStore, fill, quenches, minima, violations):
    fill(store)
    same(store.minima(), minima([0, 2]), but=("visits",))
    same(store.quenches(), quenches([0, 0, 1, -1, 1, 1]))
    same(store.violations(), violations([3]))
    assert store.state() == {"walkers": b"one", "clock": b"\x00\xff"}
    assert store.meta["model"] == "abc"
    assert (store.n_minima, store.n_quenches) == (2, 6)
    assert store.check() == []


def test_visits_are_the_quenches_that_ended_there(store: RunStore, fill):
    fill(store)
    expected = np.bincount(store.quenches().minimum[store.quenches().minimum >= 0])
    assert store.minima().visits.tolist() == expected.tolist() == [2, 3]


def test_archive_and_store_count_the_same_visits(store: RunStore, quenches, minima):
    generator = torch.Generator().manual_seed(0)
    archive = MinimaArchive(SurfaceIdentity(), energy_tolerance=1e-6, distance_tolerance=1e-3)
    pool = torch.randn(30, 3, 3, dtype=torch.float64, generator=generator)
    for _ in range(20):
        pick = torch.randint(30, (12,), generator=generator)
        outcome = torch.where(torch.rand(12, generator=generator) < 0.8, 1, 2)
        zero = torch.zeros(12, dtype=torch.float64)
        first, known = store.n_quenches, len(archive)
        found = archive.add(Minima(pool[pick], pick.double(), zero, outcome, torch.ones(12).long()), [""] * 12)
        new = found.is_new.nonzero()[:, 0]
        early = archive.match(pool[:5], torch.arange(5).double(), [""] * 5)
        archive.visit(early)
        with store.transaction():
            store.add_minima(
                replace(minima(list(range(len(new)))), positions=pool[pick[new]], energy=zero[new], quench=first + new)
            )
            store.add_quenches(quenches(found.index.tolist() + early.tolist()))
        assert store.n_minima == len(archive) == known + len(new)
    assert torch.equal(store.minima().visits, archive.visits)
    assert torch.equal(store.minima().positions, archive.positions)
    assert store.check() == []


def test_numbers_go_on_where_they_stopped(store: RunStore, fill, quenches, minima):
    fill(store)
    with store.transaction():
        store.add_minima(minima([7]))
        assert store.add_quenches(quenches([0, 2])) == 6
    assert store.minima().quench.tolist() == [0, 2, 7]
    assert store.minima().visits.tolist() == [3, 3, 1]
    assert store.check() == []


def test_an_empty_run_reads_as_empty(store: RunStore):
    assert store.minima().positions.shape == (0, 3, 3)
    assert len(store.quenches()) == len(store.violations()) == len(store.minima()) == 0
    assert store.state() == {}
    assert store.check() == []


def test_the_molecule_is_kept(store: RunStore, water):
    store.close()
    with RunStore.read(store.folder) as again:
        assert again.molecule.digest == water.digest
        assert again.molecule.name == "water"
        assert torch.equal(again.molecule.positions, water.positions)
        assert torch.equal(again.molecule.bonds, water.bonds)


def test_structures_are_stored_as_little_endian_float64(store: RunStore, fill, minima):
    fill(store)
    with sqlite3.connect(store.folder / schema.FILE_NAME) as raw:
        blob = raw.execute("SELECT positions FROM minima WHERE id = 1").fetchone()[0]
    raw.close()
    np.testing.assert_array_equal(np.frombuffer(blob, "<f8").reshape(3, 3), minima([0, 2]).positions[1])


def write_and_fail(store: RunStore, quenches) -> None:
    with store.transaction():
        store.add_quenches(quenches([0, 0]))
        store.save_state({"walkers": b"two"})
        raise KeyError


def test_a_transaction_is_all_or_nothing(store: RunStore, fill, quenches):
    fill(store)
    with pytest.raises(KeyError):
        write_and_fail(store, quenches)
    assert store.n_quenches == 6
    assert store.state()["walkers"] == b"one"
    with store.transaction():
        assert store.add_quenches(quenches([0])) == 6


@pytest.mark.parametrize("dangling", ["minimum", "started_from"])
def test_a_quench_cannot_point_to_a_minimum_that_is_not_there(store: RunStore, dangling: str, fill, quenches):
    fill(store)
    with pytest.raises(InputError, match="every minimum named"), store.transaction():
        store.add_quenches(replace(quenches([0]), **{dangling: np.array([2])}))
    assert store.n_quenches == 6


@pytest.mark.parametrize("kind", ["minima", "violations"])
def test_nothing_can_point_to_a_quench_that_is_not_there(store: RunStore, kind: str, fill, minima, violations):
    fill(store)
    with pytest.raises(InputError, match="every quench named"), store.transaction():
        getattr(store, f"add_{kind}")({"minima": minima, "violations": violations}[kind]([6]))
    assert (store.n_minima, len(store.violations())) == (2, 1)


def test_the_order_within_a_transaction_does_not_matter(store: RunStore, quenches, minima, violations):
    with store.transaction():
        store.add_violations(violations([3]))
        store.add_quenches(quenches([0, 0, 1, -1, 1, 1]))
        store.add_minima(minima([0, 2]))
    assert store.check() == []


def test_writing_needs_a_transaction(store: RunStore):
    with pytest.raises(InputError, match=r"store\.transaction"):
        store.save_state({"walkers": b"one"})


def test_structures_must_have_the_atoms_of_the_molecule(store: RunStore, minima):
    wrong = replace(minima([0]), positions=torch.zeros(1, 4, 3))
    with pytest.raises(InputError, match="3 atoms"), store.transaction():
        store.add_minima(wrong)


def pathways(energy: float = 2.0, second: int = 1) -> tuple[Connections, Searches, StoredTransitionStates]:
    one = torch.ones(1, dtype=torch.float64)
    found = StoredTransitionStates(
        positions=torch.full((1, 3, 3), 0.25, dtype=torch.float64),
        energy=energy * one,
        fmax=1e-5 * one,
        curvature=-0.5 * one,
        log_product=torch.nan * one,
        first=torch.tensor([0]),
        second=torch.tensor([second]),
        search=torch.tensor([1]),
        keys=["R"],
    )
    numbers = np.array([0, 0, 0])
    tried = Connections(numbers[:1], np.array([1]), np.array(["hop"]), np.array([1]), np.array([3]), np.array([70]))
    searches = Searches(
        numbers, np.array([2, 1, 1]), np.array([np.nan, 2.0, 2.0]), np.array([9, 8, 7]), np.array([-1, 0, 0])
    )
    return tried, searches, found


def add_pathways(store: RunStore, **changes: Any) -> None:
    tried, searches, found = pathways(**changes)
    with store.transaction():
        store.add_transition_states(found)
        store.add_connections(tried)
        store.add_searches(searches)


def test_transition_states_come_back_as_they_were(store: RunStore, fill):
    fill(store)
    add_pathways(store)
    tried, searches, found = pathways()
    same(store.connections(), tried)
    same(store.searches(), searches)
    same(store.transition_states(), found)
    assert (store.n_connections, store.n_searches, store.n_transition_states) == (1, 3, 1)
    assert store.check() == []


def test_a_run_without_transition_states_reads_as_empty(store: RunStore):
    assert store.transition_states().positions.shape == (0, 3, 3)
    assert len(store.transition_states()) == len(store.connections()) == len(store.searches()) == 0


def test_a_transition_state_cannot_lead_to_a_minimum_that_is_not_there(store: RunStore, fill):
    fill(store)
    with pytest.raises(InputError, match="every minimum named"):
        add_pathways(store, second=5)
    assert store.n_transition_states == store.n_searches == 0


def test_the_check_finds_a_transition_state_below_its_minimum(store: RunStore, fill):
    fill(store)
    add_pathways(store, energy=-3.0)
    assert store.check() == ["2 times a transition state lies below a minimum that it leads to."]


def test_quenches_of_no_walker_are_no_visits(store: RunStore, fill, quenches):
    fill(store)
    with store.transaction():
        store.add_quenches(replace(quenches([0, 1]), walker=np.array([-1, -1])))
    assert store.minima().visits.tolist() == [2, 3]


def verified(energy: float) -> Verifications:
    two = np.array([1.0, np.nan])
    return Verifications(
        minimum=np.array([0, 1]),
        level=np.array(["GFN2-xTB", "GFN2-xTB"], dtype=object),
        outcome=np.array([1, 3]),
        unrelaxed_energy=two,
        energy=energy * two,
        rmsd=two,
        heavy_rmsd=0.5 * two,
        n_evaluations=np.array([40, 3]),
        positions=torch.full((2, 3, 3), energy, dtype=torch.float64),
    )


def test_a_verification_replaces_the_one_before(store: RunStore, fill):
    fill(store)
    for energy in (-1.0, -2.0):
        with store.transaction():
            store.add_verifications(verified(energy))
        same(store.verifications(), verified(energy))
    assert store.check() == []


def test_a_verification_needs_its_minimum(store: RunStore):
    with pytest.raises(InputError, match="every minimum named"), store.transaction():
        store.add_verifications(verified(-1.0))
    assert len(store.verifications()) == 0


def test_vibrations_come_back_and_their_product_stands_beside_the_energy(store: RunStore, fill):
    fill(store)
    first, second = np.array([0.5, 2.0, 4.0]), np.array([1.0, 3.0, 5.0])
    with store.transaction():
        store.add_vibrations("minima", np.array([1, 0]), [first, second])
    found = store.vibrations("minima")
    assert list(found) == [0, 1]
    np.testing.assert_array_equal(found[1], first)
    assert store.minima().log_product[:2].tolist() == pytest.approx([np.log(15.0), np.log(4.0)])
    assert store.vibrations("transition_states") == {}
    assert store.check() == []


def test_vibrations_need_their_point(store: RunStore, fill):
    fill(store)
    with pytest.raises(InputError, match="every minimum named"), store.transaction():
        store.add_vibrations("minima", np.array([99]), [np.ones(3)])
    with pytest.raises(InputError, match="minima or transition_states"):
        store.vibrations("quenches")


def test_a_run_of_the_version_before_has_no_vibrations(store: RunStore, fill):
    fill(store)
    store.close()
    with sqlite3.connect(store.folder / schema.FILE_NAME) as raw:
        raw.execute("DROP TABLE vibrations")
        raw.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    raw.close()
    with RunStore.read(store.folder) as before:
        assert before.vibrations("minima") == {}
        assert before.n_minima > 0
    with RunStore.resume(store.folder) as now, now.transaction():
        now.add_vibrations("minima", np.array([0]), [np.ones(3)])
    with RunStore.read(store.folder) as after:
        assert list(after.vibrations("minima")) == [0]
        assert after.meta["schema"] == "3"
