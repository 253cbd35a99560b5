from itertools import pairwise

import numpy as np
import pytest
import torch

from pesx.monitors.lasting import follow, nothing_on
from pesx.state import flatten, put_rows, take_rows

CPU = torch.device("cpu")


def by_hand(begins, ends, time, persistence):
    """The definition, written as a loop: what is told at which step, with onset."""
    since, onset, is_told, told = None, None, False, []
    for k in range(len(begins)):
        if begins[k]:
            if since is None:
                since, onset, is_told = time[k], k, False
        elif ends[k]:
            since = None
        if since is not None and not is_told and time[k] - since >= persistence - 1e-9:
            is_told = True
            told.append((k, onset))
    return told


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("cuts", [[], [7], [1, 2, 3, 20, 39]])
def test_same_as_a_loop_however_it_is_cut(seed, cuts):
    rng = np.random.default_rng(seed)
    n, k = 40, 3
    begins = torch.from_numpy(rng.random((n, 1, k)) < rng.choice([0.1, 0.4, 0.8]))
    ends = torch.from_numpy(rng.random((n, 1, k)) < rng.choice([0.1, 0.4, 0.8]))
    time = torch.from_numpy(np.cumsum(rng.uniform(0.5, 1.5, n)))[:, None]
    persistence = float(rng.choice([0.0, 1.0, 4.0]))
    state, found = nothing_on(1, k, CPU), []
    bounds = [0, *cuts, n]
    for start, stop in pairwise(bounds):
        rows = slice(start, stop)
        frame = torch.arange(start, stop)[:, None]
        state, told = follow(state, begins[rows], ends[rows], time=time[rows], frame=frame, persistence=persistence)
        found += [(start + item.step, item.thing, item.frame, item.time) for item in told]
    expected = [
        (step, thing, onset, float(time[onset, 0]))
        for thing in range(k)
        for step, onset in by_hand(begins[:, 0, thing], ends[:, 0, thing], time[:, 0].tolist(), persistence)
    ]
    assert sorted(found) == sorted(expected)


def test_replicas_do_not_mix():
    begins = torch.zeros(1, 3, 2, dtype=torch.bool)
    begins[0, 1, 1] = True
    state, told = follow(
        nothing_on(3, 2, CPU),
        begins,
        torch.zeros_like(begins),
        time=torch.ones(1, 3, dtype=torch.float64),
        frame=torch.tensor([[5, 6, 7]]),
        persistence=0.0,
    )
    assert [(item.replica, item.thing, item.frame) for item in told] == [(1, 1, 6)]
    assert torch.isfinite(state.since).nonzero().tolist() == [[1, 1]]


def test_is_a_value_of_tensors():
    state = nothing_on(4, 2, CPU)
    assert set(flatten(state)) == {"since", "frame", "is_told"}
    assert len(put_rows(state, torch.tensor([1]), take_rows(state, torch.tensor([0]))).since) == 4
