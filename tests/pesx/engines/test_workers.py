import math
import os
from functools import partial

import pytest

from pesx.engines.workers import Refused, WorkPool
from pesx.errors import ConfigError, EngineError


def _return(value: object) -> partial[object]:
    """A picklable setup that returns the value: spawned workers cannot import this file."""
    return partial(dict([("value", value)]).get, "value")


def test_tasks_come_back_with_their_numbers() -> None:
    with WorkPool(_return(math.sqrt), n_workers=2) as pool:
        assert dict(pool.run([4.0, 9.0, 16.0])) == {0: 2.0, 1: 3.0, 2: 4.0}
        assert dict(pool.run([])) == {}
        assert dict(pool.run([25.0])) == {0: 5.0}


def test_what_raises_is_refused() -> None:
    with WorkPool(_return(math.sqrt), n_workers=1) as pool:
        results = dict(pool.run([1.0, -1.0, 4.0]))
    assert (results[0], results[2]) == (1.0, 2.0)
    assert isinstance(results[1], Refused)
    assert results[1].reason.startswith("ValueError")
    assert not results[1].died


def test_a_death_costs_one_task() -> None:
    with WorkPool(_return(os._exit), n_workers=1) as pool:
        assert dict(pool.run([3, 4])) == {
            0: Refused("the worker process died (exit code 3)", died=True),
            1: Refused("the worker process died (exit code 4)", died=True),
        }


def test_workers_that_never_start_are_an_error() -> None:
    with WorkPool(partial(os._exit, 5), n_workers=1) as pool, pytest.raises(EngineError, match="exit code 5"):
        list(pool.run([1]))


def test_workers_see_one_thread_and_the_environment_given() -> None:
    with WorkPool(_return(os.getenv), n_workers=1, environment={"A_TEST_OF_PESX": "yes"}) as pool:
        assert dict(pool.run(["OMP_NUM_THREADS", "A_TEST_OF_PESX"])) == {0: "1", 1: "yes"}
    assert "A_TEST_OF_PESX" not in os.environ


def test_workers_are_gone_after_the_context() -> None:
    with WorkPool(_return(math.sqrt), n_workers=2) as pool:
        list(pool.run([1.0]))
        processes = [worker.process for worker in pool._workers]
    assert not any(process.is_alive() for process in processes)


def test_rejects_no_workers() -> None:
    with pytest.raises(ConfigError, match="n_workers >= 1"):
        WorkPool(_return(math.sqrt), n_workers=0)
