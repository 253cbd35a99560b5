import threading

import pytest
import torch

from pesx.threads import one_thread_each, run_all


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_order_whoever_makes_them(n_threads: int) -> None:
    assert run_all(lambda number: number**2, range(20), n_threads=n_threads) == [number**2 for number in range(20)]
    assert run_all(lambda number: number, [], n_threads=n_threads) == []


def test_tasks_run_at_the_same_time() -> None:
    # Each waits for the other, so one after the other they would never end.
    meeting = threading.Barrier(2, timeout=20)
    assert sorted(run_all(lambda _: meeting.wait(), [0, 1], n_threads=2)) == [0, 1]


def test_torch_uses_one_thread_inside_and_as_many_as_before_outside() -> None:
    before = torch.get_num_threads()
    assert run_all(lambda _: torch.get_num_threads(), range(4), n_threads=2) == [1] * 4
    with pytest.raises(ZeroDivisionError), one_thread_each():
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_a_task_that_raises_is_heard() -> None:
    with pytest.raises(ZeroDivisionError):
        run_all(lambda number: 1 / number, [1, 0, 2], n_threads=2)
