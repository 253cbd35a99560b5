import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
def test_a_search_whose_batch_does_not_fit_the_memory_finds_the_same(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = ["--quenches", "24", "--replicas", "48", "--cap", "250", "--out", str(out)]
    subprocess.run([sys.executable, FOLDER / "out_of_memory.py", *words], check=True)
    results = json.loads(out.read_text())["results"]
    small, capped = results["small parts"]["replicas_a_part"], results["one part, capped"]["replicas_a_part"]
    assert small["at first"] == small["at the end"]
    assert 1 <= capped["at the end"] < 48 <= capped["at first"]
    assert results["quenches"] >= 24
    assert results["columns_that_differ"] == []
