from dataclasses import dataclass

import pytest
import torch

from pesx.state import Evaluation, cat_rows, flatten, fmax, put_rows, take_rows, to_cpu, unflatten


@dataclass(frozen=True)
class Nested:
    number: torch.Tensor
    inner: Evaluation


def nested(n: int, start: float = 0.0) -> Nested:
    numbers = torch.arange(n, dtype=torch.float64) + start
    return Nested(numbers.long(), Evaluation(numbers, numbers[:, None, None].expand(n, 2, 3).clone()))


def test_put_after_take_changes_only_the_rows_named() -> None:
    value, fresh = nested(5), nested(2, start=10.0)
    changed = put_rows(value, torch.tensor([3, 0]), fresh)
    assert changed.number.tolist() == [11, 1, 2, 10, 4]
    assert changed.inner.forces[:, 0, 0].tolist() == [11, 1, 2, 10, 4]
    assert value.number.tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(take_rows(changed, torch.tensor([3, 0])).inner.energy, fresh.inner.energy)


def test_rows_can_be_split_by_a_mask_and_joined_again() -> None:
    value, mask = nested(6), torch.tensor([True, False, True, True, False, False])
    joined = cat_rows([take_rows(value, mask), take_rows(value, ~mask)])
    assert sorted(joined.number.tolist()) == value.number.tolist()
    assert torch.equal(joined.inner.energy, joined.number.double())


def test_flatten_and_unflatten_are_inverse() -> None:
    value = nested(3)
    tensors = flatten(value)
    assert set(tensors) == {"number", "inner.energy", "inner.forces"}
    again = unflatten(nested(1), tensors)
    assert torch.equal(again.inner.forces, value.inner.forces)
    assert again.number.tolist() == [0, 1, 2]


def test_fmax_is_the_largest_norm_of_an_atom() -> None:
    forces = torch.tensor([[[3.0, 4.0, 0.0], [1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0], [0.0, -2.0, 0.0]]])
    assert fmax(forces).tolist() == [5.0, 2.0]


def test_a_mask_has_as_many_rows_as_what_it_masks() -> None:
    mask = torch.tensor([True, False, True])
    assert take_rows(nested(3), mask).number.tolist() == [0, 2]
    assert put_rows(nested(3), mask, nested(2, start=5.0)).number.tolist() == [5, 1, 6]
    with pytest.raises(IndexError, match="over 4 rows, came one of 3"):
        take_rows(nested(4), mask)
    with pytest.raises(IndexError, match="over 4 rows, came one of 3"):
        put_rows(nested(4), mask, nested(2))


def test_all_of_a_value_goes_to_the_cpu() -> None:
    moved = to_cpu(nested(3))
    assert moved.number.device.type == moved.inner.forces.device.type == "cpu"
    assert moved.number.tolist() == [0, 1, 2]
