import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch

from pesx.dynamics.appended import Appended
from pesx.dynamics.checkpoint import FILE_NAME, Checkpoint
from pesx.dynamics.formats.energies import Energies
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.record import EVENTS, Record
from pesx.dynamics.snapshot import Snapshot
from pesx.dynamics.writer import Writer
from pesx.errors import RunFolderError
from pesx.monitors.cause import Cause
from pesx.monitors.frame import Event

EVENT = Event(0, 12, 1.2, Cause.BOND_BROKEN, (3, 4), 2.9, "The bond C3-C4 broke.")


def snapshot(number: int) -> Snapshot:
    one, vectors = np.full(2, float(number)), np.zeros((2, 2, 3))
    return Snapshot(np.array([5, 6]), one, vectors, vectors, vectors, one, one, one, one)


def record(folder: Path) -> tuple[Record, Writer]:
    (folder / "events").mkdir(exist_ok=True)
    writer = Writer({number: (Appended(folder / f"{number}.csv", Energies()),) for number in (5, 6)})
    return Record(folder, writer, Extxyz(["H", "H"]), {"model": "abc"}), writer


def test_events_are_told_with_the_number_of_the_replica(tmp_path: Path) -> None:
    own, _ = record(tmp_path)
    own.tell(EVENT, replica=6, is_failure=False, at=1.3)
    assert own.ended == {}
    own.tell(EVENT, replica=6, is_failure=True, at=1.4)
    own.tell(EVENT, replica=6, is_failure=True, at=1.5)
    lines = [json.loads(line) for line in (tmp_path / EVENTS).read_text().splitlines()]
    assert [line["is_failure"] for line in lines] == [False, True, True]
    assert lines[0] | {"told_at": 0} == EVENT.as_json() | {"replica": 6, "told_at": 0, "is_failure": False}
    assert own.ended[6].cause == "BOND_BROKEN"
    assert own.ended[6].time_ps == 1.2


def test_a_checkpoint_takes_everything_back(tmp_path: Path) -> None:
    own, writer = record(tmp_path)
    with writer:
        own.write(snapshot(0))
        own.tell(EVENT, replica=5, is_failure=True, at=1.2)
        own.checkpoint({"x": torch.ones(1)}, {"n_done": 4})
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        own.write(snapshot(1))
        own.tell(EVENT, replica=6, is_failure=True, at=1.3)
        writer.drain()
    again, _ = record(tmp_path)
    stored = Checkpoint.read(tmp_path / FILE_NAME)
    assert stored.values["model"] == "abc"
    assert stored.values["n_done"] == 4
    again.restore(stored.values)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert list(again.ended) == [5]


def test_events_that_are_gone_are_noticed(tmp_path: Path) -> None:
    own, writer = record(tmp_path)
    own.tell(EVENT, replica=5, is_failure=True, at=1.2)
    with writer:
        own.checkpoint({}, {})
    (tmp_path / EVENTS).unlink()
    with pytest.raises(RunFolderError, match="The file was changed"):
        own.restore(Checkpoint.read(tmp_path / FILE_NAME).values)


def test_frames_around_an_event_are_one_file(tmp_path: Path) -> None:
    own, _ = record(tmp_path)
    own.write_end(snapshot(3).only(np.array([1])))
    (frame,) = ase.io.read(tmp_path / "events" / "replica_0006.extxyz", index=":")
    assert frame.info["replica"] == 6
    assert len(list((tmp_path / "events").iterdir())) == 1
