import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.errors import InputError, RunFolderError
from pesx.identity.surface import SurfaceIdentity
from pesx.landscape import schema
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.store import Quenches, RunStore, StoredMinima, Violations
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.state import Minima

WATER = Molecule(
    numbers=torch.tensor([8, 1, 1]),
    positions=torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
    bonds=torch.tensor([[0, 1], [0, 2]]),
    name="water",
)


def quenches(minimum: list[int], **changes: object) -> Quenches:
    n = len(minimum)
    columns = {
        "walker": np.arange(n) % 3,
        "hop": np.arange(n),
        "move": np.array(["torsion", "displace"] * n)[:n],
        "outcome": np.where(np.array(minimum, dtype=int) >= 0, 1, 2),
        "energy": np.linspace(-1, 1, n),
        "n_evaluations": 10 + np.arange(n),
        "minimum": np.array(minimum, dtype=int),
        "started_from": np.full(n, -1),
        "is_accepted": np.arange(n) % 2 == 0,
    }
    return Quenches(**(columns | changes))


def minima(quench: list[int]) -> StoredMinima:
    n = len(quench)
    generator = torch.Generator().manual_seed(sum(quench))
    return StoredMinima(
        positions=torch.randn(n, 3, 3, dtype=torch.float64, generator=generator),
        energy=torch.rand(n, dtype=torch.float64, generator=generator),
        fmax=torch.full((n,), 1e-5, dtype=torch.float64),
        lowest_curvature=torch.linspace(0.1, 1, n, dtype=torch.float64),
        log_product=torch.full((n,), torch.nan, dtype=torch.float64),
        quench=torch.tensor(quench, dtype=torch.int64),
        visits=torch.zeros(n, dtype=torch.int64),
        keys=[f"R{row}" for row in range(n)],
    )


def violations(quench: list[int]) -> Violations:
    n = len(quench)
    return Violations(
        quench=torch.tensor(quench),
        outcome=torch.full((n,), int(Outcome.BOND_CHANGED)),
        energy=torch.full((n,), torch.nan, dtype=torch.float64),
        positions=torch.ones(n, 3, 3, dtype=torch.float64),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.create(tmp_path / "run", WATER, {"model": "abc"}) as store:
        yield store


def fill(store: RunStore) -> None:
    with store.transaction():
        store.add_minima(minima([0, 2]))
        store.add_quenches(quenches([0, 0, 1, -1, 1, 1]))
        store.add_violations(violations([3]))
        store.save_state({"walkers": b"one", "clock": b"\x00\xff"})


def same(a: object, b: object, *, but: tuple[str, ...] = ()) -> None:
    for field in fields(a):  # type: ignore[arg-type]
        if field.name not in but:
            np.testing.assert_array_equal(np.asarray(getattr(a, field.name)), np.asarray(getattr(b, field.name)))


def test_what_goes_in_comes_out(store: RunStore):
    fill(store)
    same(store.minima(), minima([0, 2]), but=("visits",))
    same(store.quenches(), quenches([0, 0, 1, -1, 1, 1]))
    same(store.violations(), violations([3]))
    assert store.state() == {"walkers": b"one", "clock": b"\x00\xff"}
    assert store.meta["model"] == "abc"
    assert (store.n_minima, store.n_quenches) == (2, 6)
    assert store.check() == []


def test_visits_are_the_quenches_that_ended_there(store: RunStore):
    fill(store)
    expected = np.bincount(store.quenches().minimum[store.quenches().minimum >= 0])
    assert store.minima().visits.tolist() == expected.tolist() == [2, 3]


def test_archive_and_store_count_the_same_visits(store: RunStore):
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


def test_numbers_go_on_where_they_stopped(store: RunStore):
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


def test_the_molecule_is_kept(store: RunStore):
    store.close()
    with RunStore.read(store.folder) as again:
        assert again.molecule.digest == WATER.digest
        assert again.molecule.name == "water"
        assert torch.equal(again.molecule.positions, WATER.positions)
        assert torch.equal(again.molecule.bonds, WATER.bonds)


def test_structures_are_stored_as_little_endian_float64(store: RunStore):
    fill(store)
    with sqlite3.connect(store.folder / schema.FILE_NAME) as raw:
        blob = raw.execute("SELECT positions FROM minima WHERE id = 1").fetchone()[0]
    raw.close()
    np.testing.assert_array_equal(np.frombuffer(blob, "<f8").reshape(3, 3), minima([0, 2]).positions[1])


def write_and_fail(store: RunStore) -> None:
    with store.transaction():
        store.add_quenches(quenches([0, 0]))
        store.save_state({"walkers": b"two"})
        raise KeyError


def test_a_transaction_is_all_or_nothing(store: RunStore):
    fill(store)
    with pytest.raises(KeyError):
        write_and_fail(store)
    assert store.n_quenches == 6
    assert store.state()["walkers"] == b"one"
    with store.transaction():
        assert store.add_quenches(quenches([0])) == 6


@pytest.mark.parametrize("dangling", ["minimum", "started_from"])
def test_a_quench_cannot_point_to_a_minimum_that_is_not_there(store: RunStore, dangling: str):
    fill(store)
    with pytest.raises(InputError, match="every minimum named"), store.transaction():
        store.add_quenches(replace(quenches([0]), **{dangling: np.array([2])}))
    assert store.n_quenches == 6


@pytest.mark.parametrize(("method", "rows"), [("add_minima", minima([6])), ("add_violations", violations([6]))])
def test_nothing_can_point_to_a_quench_that_is_not_there(store: RunStore, method: str, rows: object):
    fill(store)
    with pytest.raises(InputError, match="every quench named"), store.transaction():
        getattr(store, method)(rows)
    assert (store.n_minima, len(store.violations())) == (2, 1)


def test_the_order_within_a_transaction_does_not_matter(store: RunStore):
    with store.transaction():
        store.add_violations(violations([3]))
        store.add_quenches(quenches([0, 0, 1, -1, 1, 1]))
        store.add_minima(minima([0, 2]))
    assert store.check() == []


def test_writing_needs_a_transaction(store: RunStore):
    with pytest.raises(InputError, match=r"store\.transaction"):
        store.save_state({"walkers": b"one"})


def test_structures_must_have_the_atoms_of_the_molecule(store: RunStore):
    wrong = replace(minima([0]), positions=torch.zeros(1, 4, 3))
    with pytest.raises(InputError, match="3 atoms"), store.transaction():
        store.add_minima(wrong)


def test_there_is_one_writer(store: RunStore):
    with pytest.raises(RunFolderError, match="only writer"):
        RunStore.resume(store.folder)
    store.close()
    RunStore.resume(store.folder, WATER).close()


def test_others_read_while_one_writes(store: RunStore):
    fill(store)
    with RunStore.read(store.folder) as reader:
        with store.transaction():
            store.add_quenches(quenches([0]))
            assert reader.n_quenches == 6
        assert reader.n_quenches == 7
        with reader.snapshot():
            assert len(reader.quenches()) == 7
            with store.transaction():
                store.add_quenches(quenches([0]))
            assert reader.n_quenches == 7
        assert reader.n_quenches == 8
        with pytest.raises(InputError, match="reading only"), reader.transaction():
            pass


def test_a_closed_run_is_one_file(store: RunStore):
    fill(store)
    store.close()
    store.close()
    assert not list(store.folder.glob("*-wal"))
    (store.folder / schema.LOCK_NAME).unlink()
    with RunStore.read(store.folder) as reader:
        assert reader.n_quenches == 6
    with RunStore.resume(store.folder) as again, again.transaction():
        assert again.add_quenches(quenches([0])) == 6


def test_closing_while_someone_reads_does_no_harm(store: RunStore):
    fill(store)
    with RunStore.read(store.folder) as reader, reader.snapshot():
        assert reader.n_quenches == 6
        start = time.monotonic()
        store.close()
        assert time.monotonic() - start < 5
        assert len(reader.quenches()) == 6


def test_a_run_is_not_started_twice(store: RunStore):
    store.close()
    with pytest.raises(RunFolderError, match="holds one already"):
        RunStore.create(store.folder, WATER)


def test_a_start_that_was_cut_short_can_be_repeated(tmp_path: Path):
    schema.connect(tmp_path / schema.FILE_NAME, is_writer=True).close()
    with RunStore.create(tmp_path, WATER) as store:
        fill(store)
        assert store.check() == []


def test_another_molecule_is_refused_and_the_lock_given_back(store: RunStore):
    store.close()
    other = Molecule(numbers=WATER.numbers, positions=WATER.positions, charge=2, bonds=WATER.bonds)
    with pytest.raises(RunFolderError, match="H2O"):
        RunStore.resume(store.folder, other)
    RunStore.resume(store.folder, WATER).close()


@pytest.mark.parametrize("opener", [RunStore.read, RunStore.resume])
def test_what_is_not_a_run(tmp_path: Path, opener: type[RunStore]):
    with pytest.raises(RunFolderError, match=r"has no landscape\.db"):
        opener(tmp_path)
    path = tmp_path / schema.FILE_NAME
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(RunFolderError, match="not a sound SQLite database"):
        opener(tmp_path)
    path.unlink()
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE meta (key, value)")
    raw.close()
    with pytest.raises(RunFolderError, match="another database"):
        opener(tmp_path)


def _set_version(folder: Path, version: int) -> None:
    with sqlite3.connect(folder / schema.FILE_NAME) as raw:
        raw.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(version),))
    raw.close()


@pytest.mark.parametrize("opener", [RunStore.read, RunStore.resume])
def test_a_newer_version_is_refused(store: RunStore, opener: type[RunStore]):
    store.close()
    _set_version(store.folder, 7)
    with pytest.raises(RunFolderError, match=r"schema 1 or older.*came schema 7.*Update pesx"):
        opener(store.folder)


def test_a_writer_brings_an_older_version_up_to_date(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    fill(store)
    store.close()
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 2)
    monkeypatch.setitem(schema._UPGRADES, 1, "CREATE TABLE added (id INTEGER PRIMARY KEY)")
    with pytest.raises(RunFolderError, match="Resume the run once"):
        RunStore.read(store.folder)
    with RunStore.resume(store.folder) as again:
        assert again.meta["schema"] == "2"
        assert again.n_quenches == 6
    RunStore.read(store.folder).close()


def test_texts_fixed_at_the_start_stay(store: RunStore):
    with store.transaction():
        store.save_meta({"model": "def", "seconds": "12"})
    assert (store.meta["model"], store.meta["seconds"]) == ("def", "12")
    with pytest.raises(InputError, match="molecule"), store.transaction():
        store.save_meta({"molecule": "{}"})


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Cannot make the run folder"):
        RunStore.create(tmp_path / "file" / "run", WATER)


def test_a_full_disk_is_said_and_loses_nothing(store: RunStore):
    fill(store)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(RunFolderError, match=r"disk is full.*intact.*resume"), store.transaction():
        store.save_state({"walkers": b"x" * 100_000})
    assert store.state()["walkers"] == b"one"
    assert store.check() == []


def test_damage_is_found(store: RunStore):
    fill(store)
    store.close()
    with sqlite3.connect(store.folder / schema.FILE_NAME) as raw:
        raw.execute("UPDATE minima SET positions = x'00' WHERE id = 0")
        raw.execute("UPDATE minima SET quench = 3 WHERE id = 1")
        raw.execute("UPDATE quenches SET minimum = 5 WHERE id = 4")
        raw.execute("DELETE FROM quenches WHERE id = 1")
    raw.close()
    with RunStore.read(store.folder) as reader:
        report = "\n".join(reader.check())
    for finding in ("do not have 3 atoms", "not where the quench ended", "missing row of minima", "5 rows"):
        assert finding in report


def test_a_thousand_quenches_take_milliseconds(store: RunStore):
    fill(store)
    rows = quenches([0, 1] * 500)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        with store.transaction():
            store.add_quenches(rows)
        seconds.append(time.perf_counter() - start)
    # Some 2 ms; the bound allows for a slow and busy machine.
    assert min(seconds) < 0.02


WRITER = """
    import sys
    import numpy as np
    import torch
    from pesx.landscape.store import Quenches, RunStore, StoredMinima

    N = 50
    store = RunStore.resume(sys.argv[1])
    zero = torch.zeros(1, dtype=torch.float64)
    for round in range(100_000):
        found = torch.tensor([store.n_quenches])
        place = torch.full((1, 3, 3), float(round), dtype=torch.float64)
        here, one = np.full(N, round), np.ones(N, int)
        with store.transaction():
            store.add_minima(StoredMinima(place, zero, zero, zero, zero, found, found, [""]))
            store.add_quenches(Quenches(here, here, np.full(N, "m"), one, here, one, here, here - 1, one > 0))
            store.save_state({"round": str(round).encode(), "bulk": bytes(100_000)})
        if round == 3:
            print("writing", flush=True)
"""


def test_killed_in_the_middle_of_writing(store: RunStore):
    store.close()
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(store.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    with RunStore.resume(store.folder) as again:
        last = int(again.state()["round"])
        assert last >= 3
        assert again.check() == []
        assert again.n_minima == last + 1
        assert again.n_quenches == 50 * (last + 1)
        assert again.minima().positions[:, 0, 0].tolist() == list(range(last + 1))
        assert again.minima().visits.tolist() == [50] * (last + 1)
