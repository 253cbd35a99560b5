"""Every command that takes ``--device`` keeps its tensors there, as far as that shows without a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch.utils.backend_registration

SCRIPT = Path(__file__).with_name("other_device.py")
DIPEPTIDE = "CC(=O)N[C@@H](C)C(=O)NC"

pytestmark = pytest.mark.skipif(
    not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="torch without devices made in Python",
)


def run(*words: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, *words], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def explore(out: Path) -> None:
    asked = ["--molecule", DIPEPTIDE, "--n-minima", "1", "--replicas", "4", "--device", "aside", "--out", out]
    run("explore", *asked)


def test_a_search_from_beginning_to_end(tmp_path: Path) -> None:
    explore(tmp_path / "run")


@pytest.mark.slow
def test_transition_states(tmp_path: Path) -> None:
    explore(tmp_path / "run")
    run("connect", tmp_path / "run", "--max-evaluations", "2500")


@pytest.mark.slow
def test_dynamics(tmp_path: Path) -> None:
    asked = ["--molecule", DIPEPTIDE, "--replicas", "2", "--time", "100fs", "--device", "aside"]
    run("md", *asked, "--out", tmp_path / "md")
