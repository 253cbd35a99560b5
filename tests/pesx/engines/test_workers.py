import math
import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pesx.engines.workers import Failed, Refused, WorkPool
from pesx.errors import ConfigError, EngineError, InputError

_PERFORM = """
import time
import pesx.errors


def perform(task):
    if isinstance(task, float):
        time.sleep(task)
        return task
    kind = getattr(pesx.errors, task)
    raise kind("for a test", "label") if task == "MissingExtraError" else kind("for a test")
"""


def _return(value: object) -> partial[object]:
    """A picklable setup that returns the value: spawned workers cannot import this file."""
    return partial(dict([("value", value)]).get, "value")


def test_tasks_come_back_with_their_numbers() -> None:
    with WorkPool(_return(math.sqrt), n_workers=2) as pool:
        assert dict(pool.run([4.0, 9.0, 16.0])) == {0: 2.0, 1: 3.0, 2: 4.0}
        assert dict(pool.run([])) == {}
        assert dict(pool.run([25.0])) == {0: 5.0}


def test_what_raises_has_failed() -> None:
    with WorkPool(_return(math.sqrt), n_workers=1) as pool:
        results = dict(pool.run([1.0, -1.0, 4.0]))
    assert (results[0], results[2]) == (1.0, 2.0)
    assert isinstance(results[1], Failed)
    assert results[1].reason.startswith("ValueError")
    assert not results[1].died


@pytest.fixture
def perform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Setup whose work raises the error of pesx that a task names, and sleeps over a task that is a number."""
    (tmp_path / "performers_for_tests.py").write_text(_PERFORM)
    monkeypatch.syspath_prepend(str(tmp_path))
    return _return(import_module("performers_for_tests").perform)


def test_errors_say_whether_the_geometry_or_the_call_is_to_blame(perform: Any) -> None:
    with WorkPool(perform, n_workers=1) as pool:
        results = dict(pool.run(["EngineError", "MoleculeError", "ContractError"]))
        assert results[0] == results[1] == Refused("for a test")
        assert results[2] == Failed("ContractError: for a test")
        for wrong in ("InputError", "ConfigError", "MissingExtraError"):
            with pytest.raises(InputError, match="for a test"):
                list(pool.run([wrong]))


def test_after_a_wrong_call_nothing_of_it_comes_back(perform: Any) -> None:
    with WorkPool(perform, n_workers=2) as pool:
        with pytest.raises(InputError):
            list(pool.run([0.5, "InputError", 0.5, 0.5]))
        assert dict(pool.run([0.0])) == {0: 0.0}


def test_a_death_costs_one_task() -> None:
    with WorkPool(_return(os._exit), n_workers=1) as pool:
        assert dict(pool.run([3, 4])) == {
            0: Failed("the worker process died (exit code 3)", died=True),
            1: Failed("the worker process died (exit code 4)", died=True),
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
