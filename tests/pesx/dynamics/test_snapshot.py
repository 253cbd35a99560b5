import numpy as np

from pesx.dynamics.snapshot import Snapshot, tracks


def snapshot(replicas: list[int], time: float) -> Snapshot:
    n = len(replicas)
    vectors = np.array(replicas, dtype=float)[:, None, None] + time + np.zeros((n, 2, 3))
    one = np.full(n, time)
    return Snapshot(np.array(replicas), one, vectors, vectors, vectors, one, one, one, one)


def test_tracks_gather_the_frames_of_each_replica_in_order() -> None:
    found = tracks([snapshot([0, 1, 5], 0.0), snapshot([0, 5], 0.1), snapshot([5], 0.2)])
    assert sorted(found) == [0, 1, 5]
    assert [found[number].time.tolist() for number in (0, 1, 5)] == [[0, 0.1], [0], [0, 0.1, 0.2]]
    assert np.allclose(found[5].positions[:, 0, 0], [5.0, 5.1, 5.2])
    assert tracks([]) == {}


def test_only_some_replicas_are_picked() -> None:
    picked = snapshot([0, 1, 5], 0.3).only(np.array([True, False, True]))
    assert picked.replica.tolist() == [0, 5]
    assert picked.positions.shape == (2, 2, 3)
