import numpy as np
import pytest
import torch

from pesx.streams import Streams


def test_a_replica_draws_the_same_alone_and_in_a_batch() -> None:
    together = Streams(7, [0, 1, 2, 3], [5, 5, 6, 0])
    alone = Streams(7, [2], [6])
    assert torch.equal(together.normal(4, 3)[2], alone.normal(4, 3)[0])
    assert torch.equal(together.uniform(2)[2], alone.uniform(2)[0])


def test_picked_streams_go_on_where_they_are() -> None:
    streams, again = Streams(1, [0, 1, 2], [0, 0, 0]), Streams(1, [0, 1, 2], [0, 0, 0])
    streams.uniform(3)
    again.uniform(3)
    assert torch.equal(streams.pick([2, 0]).uniform(2), again.uniform(2)[[2, 0]])


@pytest.mark.parametrize("other", [(8, 0, 0), (7, 1, 0), (7, 0, 1)])
def test_seed_walker_and_hop_each_name_another_stream(other: tuple[int, int, int]) -> None:
    seed, walker, hop = other
    draws = Streams(7, [0], [0]).normal(1000), Streams(seed, [walker], [hop]).normal(1000)
    correlation = np.corrcoef(draws[0][0], draws[1][0])[0, 1]
    assert abs(correlation) < 5 / np.sqrt(1000)


def test_numbers_have_the_distribution_they_should() -> None:
    streams = Streams(3, range(64), [0] * 64)
    normal, uniform = streams.normal(2000), streams.uniform(2000)
    n = normal.numel()
    assert abs(float(normal.mean())) < 5 / n**0.5
    assert abs(float(normal.var()) - 1) < 5 * (2 / n) ** 0.5
    assert abs(float(uniform.mean()) - 0.5) < 5 * (1 / 12 / n) ** 0.5
    assert float(uniform.min()) >= 0
    assert float(uniform.max()) < 1


def test_no_replica_gives_no_numbers() -> None:
    assert Streams(0, [], []).normal(3, 2).shape == (0, 3, 2)
