import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_all_contenders_reach_the_same_largest_force(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    skipped = [] if find_spec("torch_sim") else ["torchsim-fire", "torchsim-network"]
    words = ["--starts", "4", "--serial", "2", "--batch", "2", "--rounds", "1", "--sizes", "4", "8", "--fmax", "0.1"]
    words += ["--threads", "1", "--out", str(out), "--skip", *skipped, "ase-bfgs"]
    subprocess.run([sys.executable, FOLDER / "quenches.py", *words], check=True)
    results = json.loads(out.read_text())["results"]
    assert results["quenches"]["pesx"]["converged"] == 4
    assert results["quenches"]["ase-fire"]["converged"] == 2
    for row in results["quenches"].values():
        assert row["quenches_per_s"] == pytest.approx(row["converged"] / row["seconds"])
    assert [row["replicas"] for row in results["steps"]] == [4, 8]
    assert all(0 < row["outside_the_model"] < 1 for row in results["steps"])
