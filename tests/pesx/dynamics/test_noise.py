import pytest
import torch

from pesx.dynamics.noise import Noise
from pesx.errors import ConfigError
from pesx.typing import Tensor

LIKE = torch.zeros(3, 4, 3, dtype=torch.float64)


def drawn(noise: Noise, replicas: list[int], steps: list[int]) -> Tensor:
    return noise.at(torch.tensor(replicas), torch.tensor(steps), LIKE[: len(replicas)])


def test_numbers_depend_on_seed_replica_and_step_alone() -> None:
    noise = Noise(7)
    whole = [drawn(noise, [0, 1, 2], [step] * 3) for step in range(70)]
    for step in (69, 31, 32, 0):  # in another order, alone, and by another object
        assert torch.equal(drawn(Noise(7), [2], [step])[0], whole[step][2])
        assert torch.equal(drawn(noise, [1], [step])[0], whole[step][1])
    assert not torch.equal(drawn(Noise(8), [0], [0])[0], whole[0][0])


def test_replicas_may_be_at_different_steps() -> None:
    apart = drawn(Noise(7), [4, 5], [3, 40])
    assert torch.equal(apart[0], drawn(Noise(7), [4], [3])[0])
    assert torch.equal(apart[1], drawn(Noise(7), [5], [40])[0])


def test_no_number_comes_twice() -> None:
    numbers = torch.stack([drawn(Noise(7), [0, 1, 2], [step] * 3) for step in range(100)])
    assert len(numbers.unique()) == numbers.numel()


def test_numbers_are_standard_normal() -> None:
    noise = Noise(3)
    numbers = torch.stack([drawn(noise, [0, 1, 2], [step] * 3) for step in range(1000)])
    n = numbers.numel()
    assert abs(float(numbers.mean())) < 4.5 / n**0.5
    assert abs(float(numbers.var()) - 1) < 4.5 * (2 / n) ** 0.5


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed"):
        Noise(-1)
