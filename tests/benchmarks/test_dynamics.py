import json
import subprocess
import sys
from pathlib import Path

import ase
import ase.io
import pytest

from pesx.chemistry.read import read_molecule

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_it_writes_the_file_that_the_readme_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import dynamics

    assert dynamics.parse([]).out == FOLDER / "results" / "dynamics.json"
    table = (FOLDER / "README.md").read_text()
    assert "`dynamics.json`" in table
    assert "python benchmarks/dynamics.py" in table


def test_ratios_are_of_speeds_measured_in_one_run(tmp_path: Path) -> None:
    molecule, out = tmp_path / "residue.xyz", tmp_path / "out.json"
    residue = read_molecule("CC(=O)NCC(=O)NC")
    ase.io.write(molecule, ase.Atoms(residue.numbers.numpy(), residue.positions.numpy()))
    words = ["--molecule", molecule, "--replicas", "1", "3", "--seconds", "0.3", "--out", out, "--threads", "1"]
    subprocess.run([sys.executable, FOLDER / "dynamics.py", *words], check=True)
    rows = json.loads(out.read_text())["results"]
    assert [row["replicas"] for row in rows] == [1, 3]
    for row in rows:
        assert row["steps"] % (20 * row["replicas"]) == 0
        assert row["steps_per_second"] == pytest.approx(row["steps"] / row["seconds"])
        assert row["ratio"] == pytest.approx(row["steps_per_second"] / row["ase"]["steps_per_second"])
