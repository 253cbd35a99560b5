import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.labelling.store import Frame, LabelStore, LabelWriter

META = {"level": "GFN2-xTB", "plan": "a"}
NUMBERS = np.array([8, 1, 1])


def _frame(number: int, outcome: str = "ok") -> Frame:
    positions = np.arange(9.0).reshape(3, 3) + number
    forces = None if outcome != "ok" else -positions
    energy = float("nan") if forces is None else float(number)
    return Frame(positions, "scanned", f"t{number}", 300.0 if number else float("nan"), energy, forces, outcome)


def _fill(path: Path, meta: dict[str, str] = META) -> None:
    with LabelWriter(path, meta, notes={"numpy": "2"}) as writer:
        water = writer.add_molecule("water", NUMBERS, charge=0, multiplicity=1, smiles="O")
        ion = writer.add_molecule("ion", NUMBERS[:2], charge=-1, multiplicity=1, smiles="")
        assert writer.add_molecule("water", NUMBERS, charge=0, multiplicity=1, smiles="O") == water
        assert water != ion
        writer.add_task("one", water, [_frame(0), _frame(1, "no"), _frame(2)], outcome="ok", seconds=1.0)
        writer.add_task("two", water, [], outcome="died", seconds=0.0)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    _fill(tmp_path / "labels.db")
    with LabelStore(tmp_path / "labels.db") as store:
        assert store.level == "GFN2-xTB"
        water, ion = store.molecules()
        assert (water.name, water.charge, water.multiplicity) == ("water", 0, 1)
        np.testing.assert_array_equal(water.numbers, NUMBERS)
        assert (ion.name, ion.charge, ion.multiplicity) == ("ion", -1, 1)
        frames = store.frames(water.id)
        np.testing.assert_array_equal(frames["positions"], [_frame(0).positions, _frame(2).positions])
        np.testing.assert_array_equal(frames["forces"], -frames["positions"])
        np.testing.assert_array_equal(frames["energy"], [0.0, 2.0])
        np.testing.assert_array_equal(frames["temperature"], [np.nan, 300.0])
        assert frames["trajectory"].tolist() == ["t0", "t2"]
        assert frames["source"].tolist() == ["scanned"] * 2
        assert store.frames(ion.id)["forces"].shape == (0, 2, 3)
        assert store.counts() == [("water", "scanned", "no", 1), ("water", "scanned", "ok", 2)]
        assert store.failed_tasks() == [("two", "died")]


def test_labels_without_forces_are_masked(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    with LabelWriter(path, META, notes={}, energies_only=True) as writer:
        water = writer.add_molecule("water", NUMBERS, charge=0, multiplicity=1, smiles="O")
        writer.add_task("one", water, [replace(_frame(1), forces=None), _frame(2)], outcome="ok", seconds=1.0)
    with LabelStore(path) as store:
        assert store.meta["format"] == "2"
        frames = store.frames(water)
    np.testing.assert_array_equal(frames["energy"], [1.0, 2.0])
    assert frames["forces"].mask.all(axis=(1, 2)).tolist() == [True, False]
    np.testing.assert_array_equal(frames["forces"][1], _frame(2).forces)
    with pytest.raises(InputError, match="same format"):
        LabelWriter(path, META, notes={})
    _fill(tmp_path / "other.db")
    with LabelStore(tmp_path / "other.db") as store:
        assert store.meta["format"] == "1"


def test_a_file_can_be_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    with LabelWriter(path, META, notes={}) as writer:
        water = writer.add_molecule("water", NUMBERS, charge=0, multiplicity=1, smiles="O")
        with LabelStore(path) as store:
            assert len(store.frames(water)["energy"]) == 0
            writer.add_task("one", water, [_frame(0)], outcome="ok", seconds=1.0)
            assert len(store.frames(water)["energy"]) == 1


def test_a_task_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    _fill(path)
    with LabelWriter(path, META, notes={}) as writer:
        assert writer.done() == {"one", "two"}
        with pytest.raises(sqlite3.IntegrityError):
            writer.add_task("one", 1, [_frame(5)], outcome="ok", seconds=1.0)
        with pytest.raises(AttributeError):
            writer.add_task("three", 1, [_frame(5), None], outcome="ok", seconds=1.0)  # type: ignore[list-item]
        assert writer.done() == {"one", "two"}
    with LabelStore(path) as store:
        assert len(store.frames(1)["energy"]) == 2


def test_other_settings_do_not_continue_a_file(tmp_path: Path) -> None:
    _fill(tmp_path / "labels.db")
    with pytest.raises(InputError, match="same plan"):
        LabelWriter(tmp_path / "labels.db", {**META, "plan": "b"}, notes={})


def test_other_atoms_need_another_name(tmp_path: Path) -> None:
    with LabelWriter(tmp_path / "labels.db", META, notes={}) as writer:
        writer.add_molecule("water", NUMBERS, charge=0, multiplicity=1, smiles="O")
        with pytest.raises(InputError, match="another name"):
            writer.add_molecule("water", NUMBERS[::-1].copy(), charge=0, multiplicity=1, smiles="O")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        LabelStore(tmp_path / "nothing.db")
    (tmp_path / "text.db").write_text("these are no labels, " * 100)
    with pytest.raises(InputError, match="pesx label"):
        LabelStore(tmp_path / "text.db")
    _fill(tmp_path / "new.db", {**META, "format": "99"})
    with pytest.raises(InputError, match="newer"):
        LabelStore(tmp_path / "new.db")


def test_unknown_molecules_are_named(tmp_path: Path) -> None:
    _fill(tmp_path / "labels.db")
    with LabelStore(tmp_path / "labels.db") as store, pytest.raises(InputError, match="came 9"):
        store.frames(9)


def _other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")


def _text(path: Path) -> None:
    path.write_text("1\n\nH 0 0 0\n")


@pytest.mark.parametrize("make", [_other_database, _text])
def test_other_files_are_neither_read_nor_touched(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "other"
    make(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="pesx label"):
        LabelStore(path)
    with pytest.raises(InputError, match="pesx label"):
        LabelWriter(path, META, notes={})
    assert path.read_bytes() == before


def test_a_folder_and_an_empty_file_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="came the folder"):
        LabelWriter(tmp_path, META, notes={})
    (tmp_path / "empty.db").touch()
    with pytest.raises(InputError, match="is empty"):
        LabelStore(tmp_path / "empty.db")


def test_a_task_that_killed_two_workers_is_not_tried_a_third_time(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    for again in (True, False):
        with LabelWriter(path, META, notes={}) as writer:
            assert writer.add_death("one") is again
            assert writer.done() == set()


def test_files_of_the_first_versions_can_be_continued(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    _fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE deaths")
    with LabelWriter(path, META, notes={}) as writer:
        assert writer.add_death("three")


def test_only_an_unused_file_of_its_own_is_discarded(tmp_path: Path) -> None:
    with LabelWriter(tmp_path / "new.db", META, notes={}) as writer:
        writer.discard()
    assert list(tmp_path.iterdir()) == []
    _fill(tmp_path / "labels.db")
    with LabelWriter(tmp_path / "labels.db", META, notes={}) as writer:
        writer.discard()
    with LabelStore(tmp_path / "labels.db") as store:
        assert len(store.frames(1)["energy"]) == 2


def test_a_frame_of_another_size_is_found_when_it_is_read(tmp_path: Path) -> None:
    _fill(tmp_path / "labels.db")
    with closing(sqlite3.connect(tmp_path / "labels.db")) as connection, connection:
        connection.execute("UPDATE frames SET forces = zeroblob(48) WHERE trajectory = 't2'")
    with (
        LabelStore(tmp_path / "labels.db") as store,
        pytest.raises(InputError, match=r"3 atoms .*labels\.db.* frame 1"),
    ):
        store.frames(store.molecules()[0].id)
