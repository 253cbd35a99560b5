import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pesx.dynamics.appended import Appended
from pesx.dynamics.formats.energies import Energies
from pesx.dynamics.snapshot import Snapshot, Track
from pesx.dynamics.writer import Writer


def snapshot(number: int, replicas: tuple[int, ...] = (0, 1)) -> Snapshot:
    n = len(replicas)
    one, vectors = np.full(n, float(number)), np.zeros((n, 2, 3))
    return Snapshot(np.array(replicas), one, vectors, vectors, vectors, one, one, one, one)


class Gated(Energies):
    """Waits until it is let through, as a slow disk does."""

    gate = threading.Event()

    def encode(self, track: Track) -> bytes:
        assert self.gate.wait(20)
        return super().encode(track)


def files(folder: Path, kind: Energies) -> dict[int, tuple[Appended, ...]]:
    return {number: (Appended(folder / f"{number}.csv", kind),) for number in (0, 1)}


def times(path: Path) -> list[float]:
    return [float(line.partition(",")[0]) for line in path.read_text().splitlines()[1:]]


def test_all_that_was_handed_over_is_written_in_order(tmp_path: Path) -> None:
    with Writer(files(tmp_path, Energies()), at_once=4) as writer:
        for number in range(10):
            writer.put(snapshot(number, (0, 1) if number < 7 else (1,)))
        writer.drain()
        assert times(tmp_path / "0.csv") == list(range(7))
        assert times(tmp_path / "1.csv") == list(range(10))
        writer.put(snapshot(10))
    assert times(tmp_path / "1.csv")[-1] == 10  # leaving writes what waits


def test_who_is_faster_than_the_disk_waits(tmp_path: Path) -> None:
    Gated.gate.clear()
    with Writer(files(tmp_path, Gated()), capacity=2, at_once=1) as writer:
        handed: list[int] = []

        def hand() -> None:
            for number in range(8):
                writer.put(snapshot(number))
                handed.append(number)

        thread = threading.Thread(target=hand)
        thread.start()
        time.sleep(0.3)
        assert len(handed) <= 3  # one is being written, two wait
        Gated.gate.set()
        thread.join(20)
        writer.drain()
    assert times(tmp_path / "0.csv") == list(range(8))


def test_an_error_reaches_whoever_writes_next_and_the_files_hold_whole_frames(tmp_path: Path) -> None:
    with Writer(files(tmp_path, Energies()), at_once=1) as writer:
        writer.put(snapshot(0))
        writer.drain()
        (tmp_path / "1.csv").rename(tmp_path / "kept.csv")
        (tmp_path / "1.csv").mkdir()
        writer.put(snapshot(1))
        with pytest.raises(OSError, match=r"1\.csv"):
            writer.drain()
        for _ in range(30):  # nobody waits for a queue that is not emptied
            with pytest.raises(OSError, match=r"1\.csv"):
                writer.put(snapshot(2))
    assert times(tmp_path / "0.csv") == [0, 1]
    assert times(tmp_path / "kept.csv") == [0]


def test_files_are_cut_back_to_their_sizes(tmp_path: Path) -> None:
    with Writer(files(tmp_path, Energies())) as writer:
        writer.put(snapshot(0, (0,)))
        writer.save()
        sizes = writer.sizes()
        writer.put(snapshot(1))
        writer.drain()
    again = Writer(files(tmp_path, Energies()))
    again.cut(sizes)
    assert times(tmp_path / "0.csv") == [0]
    assert not (tmp_path / "1.csv").exists()


def test_it_writes_only_inside_its_block(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="with block"):
        Writer(files(tmp_path, Energies())).drain()
