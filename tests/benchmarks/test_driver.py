import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_the_parts_of_the_driver_are_measured_and_the_gpus_follow(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra distributed")
    out = tmp_path / "out.json"
    words = ["--sizes", "200", "--slots", "32", "--rounds", "2", "--reports", "3", "--per-gpu", "50", "--threads", "1"]
    subprocess.run([sys.executable, FOLDER / "driver.py", *words, "--out", out], check=True)
    results = json.loads(out.read_text())["results"]
    (row,), (gpus,) = results["rows"], results["gpus"]
    assert row["new_at_the_end"] > 0
    parts = [row[name] for name in ("proposals_us", "chemistry_us", "archive_us", "records_us", "writing_us")]
    assert all(part > 0 for part in parts)
    assert row["hops_per_s"] * row["us_per_hop"] == pytest.approx(1e6)
    of_rounds = results["round"]["us_per_round"] * 50 / results["round"]["hops"]
    assert gpus["gpus_now"] == pytest.approx(1e6 / (50 * row["us_per_hop"] + of_rounds))
    assert gpus["gpus_now"] < gpus["gpus_workers_propose"] < gpus["gpus_workers_know_the_archive"]
