from dataclasses import dataclass

import numpy as np
import pytest

from pesx.analysis.audit.blocks import MOST_BLOCKS, Blocks


@dataclass(frozen=True)
class Count:
    n: int
    where: np.ndarray


def blocks_of(n_frames, chunk):
    blocks = Blocks(length=4)
    for start in range(0, n_frames, chunk):
        size = min(chunk, n_frames - start)
        for a, b in blocks.cuts(size):
            blocks.add(Count(b - a, np.bincount(np.arange(start + a, start + b), minlength=n_frames)), b - a)
    return blocks


@pytest.mark.parametrize("n_frames", [1, 4, 130, 1000, 4096])
@pytest.mark.parametrize("chunk", [1, 7, 5000])
def test_every_frame_is_in_one_block(n_frames, chunk):
    blocks = blocks_of(n_frames, chunk)
    assert blocks.total().n == n_frames
    assert (blocks.total().where == 1).all()
    assert len(blocks.whole) < MOST_BLOCKS
    assert {block.n for block in blocks.whole} <= {blocks.length}
    places = [np.flatnonzero(block.where) for block in blocks.whole]
    assert all((np.diff(place) == 1).all() for place in places)
    if n_frames >= 4 * MOST_BLOCKS:
        assert len(blocks.whole) >= MOST_BLOCKS // 2
    else:
        assert blocks.length == 4


def test_halves():
    first, second = blocks_of(256, 10).halves()
    assert np.flatnonzero(first.where).max() + 1 == np.flatnonzero(second.where).min()
    assert first.n == second.n
    assert Blocks().halves() is None
    assert Blocks().total() is None
