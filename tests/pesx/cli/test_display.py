import io
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from pesx.cli.display import Display, Forecast, energy_text
from pesx.explore.stop import Progress, Stop

START = Progress(
    n_minima=0,
    n_stored=0,
    lowest=float("inf"),
    n_quenches=0,
    n_since_new=0,
    n_evaluations=0,
    occupancy=1.0,
    seconds=0.0,
    visits=torch.zeros(0, dtype=torch.long),
)


def at(seconds, n_minima, **changes):
    visits = torch.full((n_minima,), 2)
    return replace(START, seconds=seconds, n_minima=n_minima, visits=visits, lowest=-1.0, **changes)


def forecast(stop, *story):
    made = Forecast(stop)
    for progress in story:
        made.note(progress)
    return made.text(story[-1])


def test_nothing_is_known_without_a_basis():
    stop = Stop(n_minima=100)
    assert Forecast(stop).text(START) == "unknown"
    assert forecast(stop, START, at(1, 50)) == "unknown"
    assert forecast(stop, *(at(second, min(second, 50)) for second in range(0, 600, 10))) == "unknown"


def test_steady_finding_is_extended():
    assert forecast(Stop(n_minima=100), *(at(float(second), second) for second in range(41))) == "about 1 min"


def test_the_last_third_counts():
    slow = [at(float(second), second if second < 60 else 60 + (second - 60) // 10) for second in range(181)]
    assert forecast(Stop(n_minima=82), *slow) == "about 2 min"


def test_a_limit_that_comes_first_is_named():
    story = [at(float(second), second, n_evaluations=100 * second) for second in range(101)]
    assert forecast(Stop(n_minima=1000, max_seconds=130), *story) == "at most 30 s"
    assert forecast(Stop(n_minima=1000, max_evaluations=15000), *story) == "at most 50 s"
    assert forecast(Stop(n_minima=1000, max_seconds=10000), *story) == "about 15 min"


def test_lines_come_now_and_then_and_go_to_the_log_too():
    screen, log = io.StringIO(), io.StringIO()
    console = Console(file=screen, width=40)
    with Display(Stop(n_minima=10), is_reduced=True, console=console, log=log) as display:
        for second in range(61):
            display(at(float(second), second // 20, n_quenches=second))
    lines = log.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["minima 0 of 10", "minima 1 of 10", "minima 3 of 10"]
    assert screen.getvalue() == log.getvalue()
    assert "quenches 30, " in lines[1]


def test_a_terminal_gets_a_panel_and_is_left_clean():
    screen, log = io.StringIO(), io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with Display(Stop(n_minima=10), is_reduced=False, console=console, log=log) as display:
        display(at(3.0, 4))
    assert "4 of 10" in screen.getvalue()
    assert "-1.0000 eV" in screen.getvalue()
    assert len(log.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("energy", "is_reduced", "text"),
    [(-1.5, True, "-1.500000"), (-1.5, False, "-1.5000 eV"), (float("inf"), False, "none yet")],
)
def test_energies_are_written_for_people(energy, is_reduced, text):
    assert energy_text(energy, is_reduced=is_reduced) == text
