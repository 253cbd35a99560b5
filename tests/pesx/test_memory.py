import pytest
import torch

from pesx.memory import DeviceMemory, halving, is_out_of_memory, rows_that_fit


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


def test_rows_fit_the_memory_with_something_left_over():
    n_rows = rows_that_fit(free=10_000, taken=80, n_rows=8)
    assert 500 < n_rows < 1000
    assert rows_that_fit(free=20_000, taken=80, n_rows=8) == 2 * n_rows
    assert rows_that_fit(free=20_000, taken=160, n_rows=16) == 2 * n_rows
    assert rows_that_fit(free=5, taken=80, n_rows=8) == 1
    assert rows_that_fit(free=10_000, taken=0, n_rows=8) >= 1


@pytest.mark.gpu
def test_what_work_takes_of_a_gpu_is_what_its_tensors_hold():
    memory = DeviceMemory(torch.device("cuda"))
    free = memory.free()
    kept, taken = memory.taken_by(lambda: torch.ones(1 << 20, device="cuda"))
    assert taken == 4 * len(kept)
    assert free - memory.free() <= 64 * 2**20
