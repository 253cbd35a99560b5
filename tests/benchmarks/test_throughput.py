import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_a_small_run_gives_all_that_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = [
        "--replicas",
        "1",
        "4",
        "--residues",
        "1",
        "--many",
        "2",
        "--slots",
        "4",
        "--n-minima",
        "2",
        "--threads",
        "1",
    ]
    subprocess.run([sys.executable, FOLDER / "throughput.py", *words, "--out", out], check=True)
    results = json.loads(out.read_text())["results"]
    assert [row["replicas"] for row in results["by_replicas"]] == [1, 4]
    assert [row["atoms"] for row in results["by_replicas"] + results["by_atoms"]] == [42, 42, 22]
    for row in results["by_replicas"] + results["by_atoms"]:
        assert 0.0 < row["of_peak"] < 1.5
        per_atom = 1e6 / (row["evaluations_per_s"] * row["atoms"])
        assert row["microseconds_per_atom"] == pytest.approx(per_atom)
    search = results["search"]
    assert search["minima"] >= 2
    assert search["evaluations_per_s"] == pytest.approx(search["evaluations_per_quench"] * search["quenches_per_s"])
    assert sum(search["time_shares"].values()) == pytest.approx(1.0)
