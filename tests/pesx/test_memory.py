import pytest
import torch

from pesx.memory import halving, is_out_of_memory


def test_what_torch_says_of_too_large_a_tensor_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_sizes_are_halved_until_they_fit():
    tried = []

    def work(size: int) -> str:
        tried.append(size)
        if size > 13:
            torch.empty(2**55)
        return "done"

    assert halving(work, 100) == ("done", 12)
    assert tried == [100, 50, 25, 12]


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        halving(lambda size: size // 0, 8)


def test_where_nothing_fits_it_is_said():
    with pytest.raises(MemoryError, match="one replica"):
        halving(lambda _: torch.empty(2**55), 4)
