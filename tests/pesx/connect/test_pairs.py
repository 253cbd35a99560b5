from math import pi

import numpy as np
import torch

from pesx.connect.pairs import fingerprint_distances, hops, missing, near, torsion_distances
from pesx.geometry.torsion import rotate_about_bond
from pesx.landscape.records import Quenches

LINE = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))
"""Distances of six minima in a row."""

UPHILL = np.arange(6.0)


def quenches(started_from: list[int], minimum: list[int]) -> Quenches:
    n = len(minimum)
    zeros = np.zeros(n, dtype=int)
    return Quenches(
        zeros, zeros, np.array(["seed"] * n), zeros, zeros, zeros, np.array(minimum), np.array(started_from), zeros
    )


def test_hops_are_pairs_without_direction_lowest_first():
    went = quenches([3, 0, 2, -1, 4, 5, 1], [1, 2, 0, 4, -1, 5, 0])
    assert hops(went, UPHILL) == [(0, 1), (0, 2), (1, 3)]
    assert hops(went, -UPHILL) == [(1, 3), (0, 1), (0, 2)]
    assert hops(quenches([], []), UPHILL) == []


def test_near_pairs_hold_every_minimum():
    assert near(LINE, UPHILL, n_neighbours=1) == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    everyone = near(LINE, UPHILL, n_neighbours=9)
    assert sorted(everyone) == [(i, j) for i in range(6) for j in range(i + 1, 6)]


def test_what_is_missing_are_the_short_gaps_between_groups():
    assert missing(LINE, UPHILL, joined=[(0, 1), (2, 3), (4, 5)], tried=[]) == [(1, 2), (3, 4)]


def test_a_gap_that_was_tried_is_gone_round():
    gaps = missing(LINE, UPHILL, joined=[(0, 1), (2, 3)], tried=[(1, 2), (3, 4)])
    assert (1, 2) not in gaps
    assert (3, 4) not in gaps
    assert {(0, 2), (1, 3)} & set(gaps)
    assert (2, 4) in gaps


def test_nothing_is_missing_where_all_are_joined_or_no_way_is_left():
    chain = [(i, i + 1) for i in range(5)]
    assert missing(LINE, UPHILL, joined=chain, tried=[]) == []
    every = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    assert missing(LINE, UPHILL, joined=[], tried=every) == []
    assert missing(LINE[:1, :1], UPHILL[:1], joined=[], tried=[]) == []


def test_a_joined_pair_counts_as_joined_though_it_was_tried():
    assert missing(LINE[:3, :3], UPHILL[:3], joined=[(0, 1)], tried=[(0, 1)]) == [(1, 2)]


def test_half_a_turn_about_the_only_torsion_is_the_farthest():
    start = torch.tensor([[[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], dtype=torch.float64)
    moving = torch.tensor([False, False, False, True])
    angles = torch.tensor([0.0, pi / 3, pi, 5 * pi / 3], dtype=torch.float64)
    places = rotate_about_bond(start.expand(4, -1, -1), torch.tensor([1, 2]), moving, angles)
    distances = torsion_distances(places, torch.tensor([[0, 1, 2, 3]]))
    np.testing.assert_allclose(distances[0], [0.0, 0.5, 1.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(distances, distances.T, atol=1e-12)


def test_fingerprints_are_compared_by_their_root_mean_square_difference():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
    np.testing.assert_allclose(fingerprint_distances(rows), [[0.0, 12.5**0.5], [12.5**0.5, 0.0]])
