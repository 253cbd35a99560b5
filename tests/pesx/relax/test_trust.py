import pytest
import torch

from pesx.relax.trust import is_kept, next_cap, shortening
from pesx.state import Evaluation


def evaluation(*energy, dtype=torch.float64, force=0.0):
    return Evaluation(torch.tensor(energy, dtype=dtype), torch.full((len(energy), 2, 3), force, dtype=dtype))


def test_a_step_is_kept_unless_the_energy_rises_by_more_than_noise():
    before = torch.zeros(4, dtype=torch.float64)
    kept = is_kept(evaluation(-1.0, 0.0, 0.09, 0.11), before, max_rise=0.1)
    assert kept.tolist() == [True, True, True, False]


def test_the_first_evaluation_is_kept():
    before = torch.full((2,), torch.inf, dtype=torch.float64)
    assert is_kept(evaluation(-3.0, 1e9), before, max_rise=0.0).all()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_kept(wrong):
    before = torch.full((1,), torch.inf, dtype=torch.float64)
    assert not is_kept(evaluation(wrong), before, max_rise=1.0)
    assert not is_kept(evaluation(-1.0, force=wrong), before, max_rise=1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rise_within_the_rounding_of_a_large_energy_is_none(dtype):
    before = torch.full((2,), -1e4, dtype=dtype)
    ulp = 1e4 * torch.finfo(dtype).eps
    assert is_kept(evaluation(-1e4 + 4 * ulp, -1e4 + 20 * ulp, dtype=dtype), before, max_rise=0.0).tolist() == [
        True,
        False,
    ]


def test_the_cap_doubles_up_to_the_largest_step_and_falls_to_a_quarter_of_a_step_that_failed():
    cap = torch.tensor([0.05, 0.15, 0.2])
    kept = torch.tensor([True, True, False])
    after = next_cap(cap, torch.tensor([0.01, 0.15, 0.1]), kept, max_step=0.2)
    assert after.tolist() == pytest.approx([0.1, 0.2, 0.025])


def test_long_steps_are_shortened_to_the_cap_and_others_left():
    length, cap = torch.tensor([0.0, 0.1, 0.4]), torch.tensor([0.1, 0.1, 0.1])
    factor = shortening(length, cap)
    assert factor.tolist() == pytest.approx([1.0, 1.0, 0.25])
