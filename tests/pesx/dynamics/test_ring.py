import numpy as np
import torch

from pesx.dynamics.ring import Ring
from pesx.dynamics.snapshot import Snapshot
from pesx.state import flatten, take_rows, unflatten


def snapshot(n: int, time: float) -> Snapshot:
    vectors = np.full((n, 2, 3), time) + np.arange(n)[:, None, None]
    one = np.full(n, time)
    return Snapshot(np.arange(n), one, vectors, vectors, vectors, one, one, one, one)


def test_it_holds_the_last_frames_in_order() -> None:
    ring = Ring.empty(2, 2, length=3)
    assert len(ring.track(0, 7).time) == 0
    for time in range(2):
        ring = ring.turned(snapshot(2, float(time)))
    assert ring.track(1, 7).time.tolist() == [0, 1]
    for time in range(2, 5):
        ring = ring.turned(snapshot(2, float(time)))
    track = ring.track(1, 7)
    assert track.time.tolist() == [2, 3, 4]
    assert track.replica.tolist() == [7, 7, 7]
    assert np.allclose(track.positions[:, 0, 0], [3, 4, 5])


def test_it_goes_with_its_rows_and_through_a_checkpoint() -> None:
    ring = Ring.empty(3, 2, length=3).turned(snapshot(3, 1.0))
    kept = take_rows(ring, torch.tensor([2]))
    again = unflatten(kept, flatten(kept))
    assert np.allclose(again.track(0, 2).positions, 3.0)
