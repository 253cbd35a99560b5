import json

import pytest

from pesx.training import progress
from pesx.training.progress import Reporter


def record(step):
    return {"step": step, "train_loss": 0.5, "force_mae": 12.34, "energy_mae": 0.56}


def steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_measurements_are_appended_one_line_each(tmp_path):
    path = tmp_path / "curves.jsonl"
    with Reporter(path, 0) as reporter:
        reporter.measured(record(5))
        reporter.measured(record(10))
    assert steps(path) == [5, 10]


@pytest.mark.parametrize(("resumed_at", "kept"), [(0, []), (5, [5]), (9, [5]), (10, [5, 10]), (99, [5, 10, 15])])
def test_what_an_interrupted_run_measured_beyond_its_state_is_dropped(tmp_path, resumed_at, kept):
    path = tmp_path / "curves.jsonl"
    path.write_text("".join(json.dumps(record(step)) + "\n" for step in (5, 10, 15)))
    Reporter(path, resumed_at)
    assert steps(path) == kept


def test_half_a_line_is_dropped(tmp_path):
    path = tmp_path / "curves.jsonl"
    path.write_text(json.dumps(record(5)) + "\n" + json.dumps(record(10))[:20])
    Reporter(path, 99)
    assert steps(path) == [5]


def test_lines_for_people_go_to_stderr_now_and_then(tmp_path, capsys, monkeypatch):
    with Reporter(tmp_path / "curves.jsonl", 0) as reporter:
        reporter.step(1, 0.0, 0.5)
        reporter.step(2, 0.25, 20.0)
        reporter.measured(record(2))
        monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
        reporter._next_line = 0.0
        reporter.step(3, 0.25, 20.0)
    captured = capsys.readouterr()
    assert captured.out == ""
    first, last = captured.err.splitlines()
    assert first == "step 1, ? left"
    assert last.startswith("step 3, 00:01:00 left, loss 0.5000, validation forces 12.3 meV/angstrom")
