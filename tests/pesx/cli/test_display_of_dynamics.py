import io

import pytest
from rich.console import Console

from pesx.cli.display_of_dynamics import DynamicsDisplay
from pesx.dynamics.simulation import Progress


def progress(n_done: int, seconds: float, n_alive: int = 4) -> Progress:
    return Progress(
        n_done=n_done,
        n_steps=1000,
        n_alive=n_alive,
        n_replicas=4,
        time=n_done * 5e-4,
        seconds=seconds,
        replica_steps=4 * n_done,
        temperatures={300.0: 310.4, 500.0: float("nan")},
    )


def shown(*, is_terminal: bool) -> tuple[DynamicsDisplay, io.StringIO, io.StringIO]:
    out, log = io.StringIO(), io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=200)
    return DynamicsDisplay(timestep=0.5, console=console, log=log), out, log


def test_speed_and_time_left_follow_from_what_was_done_since_the_first_look() -> None:
    display, _, _ = shown(is_terminal=False)
    display(progress(100, 10.0))
    values = display.values(progress(200, 30.0, n_alive=3))
    # 400 steps of 0.5 fs in 20 s are 864 000 fs a day.
    assert values["ns/day"] == "0.864"
    assert values["left"] == "3 min"
    assert values["replicas"] == "3 of 4"
    assert values["temperature"] == "310 K of 300"
    assert values[""] == "0.1 ps (20%)"


def test_nothing_is_told_that_is_not_known_yet() -> None:
    display, _, _ = shown(is_terminal=False)
    display(progress(0, 0.0))
    values = display.values(progress(0, 0.0))
    assert values["ns/day"] == values["left"] == "unknown"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_lines_go_to_the_log_now_and_then(is_terminal: bool) -> None:
    display, out, log = shown(is_terminal=is_terminal)
    with display:
        for step in range(0, 1000, 10):
            display(progress(step, 0.1 * step))
    assert len(log.getvalue().splitlines()) == 4  # at 0, 30, 60 and 90 s
    if not is_terminal:
        assert out.getvalue() == log.getvalue()
