import argparse
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import archive

    yield archive
    sys.modules.pop("archive", None)


def test_what_is_known_is_recognised_and_nothing_else(script):
    asked = argparse.Namespace(molecule=ROOT / "examples" / "ala3.xyz", sizes=[20, 40, 80], batch=8, seed=1)
    measured = script.measure(asked)
    assert [row["minima"] for row in measured["rows"]] == [20, 40, 80]
    for row in measured["rows"]:
        assert (row["recognised"], row["taken_for_known"]) == (4, 0)
    assert measured["database"]["mb"] > 80 * 42 * 24 / 2**20


def test_a_million_is_on_the_line_through_what_was_measured(script):
    rows = [{"minima": n, "rough_ms": n**0.5, "polished_ms": 3.0, "archive_mb": 0.01 * n} for n in (100, 1000, 10_000)]
    found = script.estimated(rows)
    assert found["rough_ms"] == pytest.approx(1000.0)
    assert found["polished_ms"] == pytest.approx(3.0)
    assert found["archive_mb"] == pytest.approx(10_000.0)
