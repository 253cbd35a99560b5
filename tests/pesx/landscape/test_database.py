import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pesx.errors import InputError, RunFolderError
from pesx.landscape import schema
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule


def test_there_is_one_writer(store: RunStore, water):
    with pytest.raises(RunFolderError, match="only writer"):
        RunStore.resume(store.folder)
    store.close()
    RunStore.resume(store.folder, water).close()


def test_others_read_while_one_writes(store: RunStore, fill, quenches):
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


def test_a_closed_run_is_one_file(store: RunStore, fill, quenches):
    fill(store)
    store.close()
    store.close()
    assert not list(store.folder.glob("*-wal"))
    (store.folder / schema.LOCK_NAME).unlink()
    with RunStore.read(store.folder) as reader:
        assert reader.n_quenches == 6
    with RunStore.resume(store.folder) as again, again.transaction():
        assert again.add_quenches(quenches([0])) == 6


def test_closing_while_someone_reads_does_no_harm(store: RunStore, fill):
    fill(store)
    with RunStore.read(store.folder) as reader, reader.snapshot():
        assert reader.n_quenches == 6
        start = time.monotonic()
        store.close()
        assert time.monotonic() - start < 5
        assert len(reader.quenches()) == 6


def test_a_run_is_not_started_twice(store: RunStore, water):
    store.close()
    with pytest.raises(RunFolderError, match="holds one already"):
        RunStore.create(store.folder, water)


def test_a_start_that_was_cut_short_can_be_repeated(tmp_path: Path, water, fill):
    schema.connect(tmp_path / schema.FILE_NAME, is_writer=True).close()
    with RunStore.create(tmp_path, water) as store:
        fill(store)
        assert store.check() == []


def test_another_molecule_is_refused_and_the_lock_given_back(store: RunStore, water):
    store.close()
    other = Molecule(numbers=water.numbers, positions=water.positions, charge=2, bonds=water.bonds)
    with pytest.raises(RunFolderError, match="H2O"):
        RunStore.resume(store.folder, other)
    RunStore.resume(store.folder, water).close()


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
    with pytest.raises(RunFolderError, match=r"schema 3 or older.*came schema 7.*Update pesx"):
        opener(store.folder)


def test_a_writer_brings_an_older_version_up_to_date(store: RunStore, monkeypatch: pytest.MonkeyPatch, fill):
    fill(store)
    store.close()
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 4)
    monkeypatch.setattr(schema, "READABLE_FROM", 4)
    monkeypatch.setitem(schema._UPGRADES, 3, "CREATE TABLE added (id INTEGER PRIMARY KEY)")
    with pytest.raises(RunFolderError, match="Resume the run once"):
        RunStore.read(store.folder)
    with RunStore.resume(store.folder) as again:
        assert again.meta["schema"] == "4"
        assert again.n_quenches == 6
    RunStore.read(store.folder).close()


def test_texts_fixed_at_the_start_stay(store: RunStore):
    with store.transaction():
        store.save_meta({"model": "def", "seconds": "12"})
    assert (store.meta["model"], store.meta["seconds"]) == ("def", "12")
    with pytest.raises(InputError, match="molecule"), store.transaction():
        store.save_meta({"molecule": "{}"})


def test_a_folder_that_cannot_be_made(tmp_path: Path, water):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Cannot make the run folder"):
        RunStore.create(tmp_path / "file" / "run", water)


def test_a_full_disk_is_said_and_loses_nothing(store: RunStore, fill):
    fill(store)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(RunFolderError, match=r"disk is full.*intact.*resume"), store.transaction():
        store.save_state({"walkers": b"x" * 100_000})
    assert store.state()["walkers"] == b"one"
    assert store.check() == []


def test_damage_is_found(store: RunStore, fill):
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


def test_a_thousand_quenches_take_milliseconds(store: RunStore, fill, quenches):
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
