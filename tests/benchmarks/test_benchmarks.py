import json
import math
import subprocess
import sys
import time
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from pesx import read_molecule
from pesx.cli import main
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.modes import modes
from pesx.units import KCAL_PER_MOL

FOLDER = Path(__file__).parents[2] / "benchmarks"
DIPEPTIDE = "CC(=O)N[C@@H](C)C(=O)NC"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module


def run(script, *words, out):
    subprocess.run([sys.executable, FOLDER / script, *words, "--out", out, "--threads", "1"], check=True)
    return json.loads(out.read_text())


@pytest.mark.parametrize(
    ("name", "words", "out"),
    [
        ("verify_minima", ["runs/ala3-1"], "verify_minima"),
        ("against_ase", [], "against_ase"),
        ("lennard_jones", ["counts"], "lennard_jones_counts"),
        ("lennard_jones", ["lj13"], "lennard_jones_lj13"),
        ("lennard_jones", ["lj38"], "lennard_jones_lj38"),
        ("memory", [], "memory"),
        ("kill_and_resume", [], "kill_and_resume"),
        ("force_field", [], "force_field"),
        ("pepconf", ["DATA"], "pepconf"),
        ("thermodynamics", [], "thermodynamics"),
    ],
)
def test_each_script_writes_the_file_that_the_readme_names(script, name, words, out):
    arguments = script(name).parse(words)
    assert arguments.out == FOLDER / "results" / f"{out}.json"
    table = (FOLDER / "README.md").read_text()
    assert f"`{out}.json`" in table
    assert f"python benchmarks/{name}.py {' '.join(words)}".strip() in table


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lennard_jones", []),
        ("lennard_jones", ["counts", "--sizes", "12"]),
        ("verify_minima", []),
        ("against_ase", ["--contenders", "gmin"]),
        ("memory", ["--quenches", "1000"]),
    ],
)
def test_wrong_calls_are_refused(script, name, words):
    with pytest.raises(SystemExit) as stopped:
        script(name).parse(words)
    assert stopped.value.code == 2


def test_known_minima_fit_together(script):
    known = script("lennard_jones")
    for n_atoms, energies in known.ENERGIES.items():
        assert len(energies) == known.COUNTS[n_atoms]
        assert list(energies) == sorted(energies)
    lowest = known.LOWEST | {n_atoms: energies[0] for n_atoms, energies in known.ENERGIES.items()}
    assert set(known.COUNTS) == set(known.BUDGETS) <= set(lowest)
    # Each further atom finds at least three neighbours.
    ordered = [lowest[n_atoms] for n_atoms in sorted(lowest)]
    assert all(after < before - 3 for before, after in pairwise(ordered))


def test_energies_are_compared_one_by_one(script):
    known = script("lennard_jones")
    energies = list(known.ENERGIES[7])
    assert known.energy_error(7, energies) == 0
    assert known.energy_error(7, [*energies[:3], energies[3] + 0.25]) == pytest.approx(0.25)
    assert known.energy_error(7, energies[:3]) is None
    assert known.energy_error(10, [known.LOWEST[10], -20.0]) == 0


def test_mean_first_encounter_and_its_interval(script):
    mean_of = script("lennard_jones").mean_first_encounter
    assert mean_of([(700, True)] * 10, seed=0) == (700, 700, 700)
    mean, low, high = mean_of([(count, True) for count in range(100, 1100, 100)], seed=0)
    assert (mean, low < mean < high) == (550, True)
    assert mean_of([(500, True), (500, False)], seed=0)[0] == 1000
    assert mean_of([(500, True), (500, False)], seed=0)[2] is None
    assert mean_of([(500, False)], seed=0) == (None, None, None)


@pytest.mark.parametrize(("leak", "is_flat"), [(0, True), (2000, False)])
def test_only_growth_beyond_the_archive_counts(script, leak, is_flat):
    readings = [(n, 300_000_000 + n * (leak + 100), n // 10) for n in range(500, 20_001, 500)]
    verdict = script("memory").judge({"readings": readings, "bytes_per_minimum": 1000}, skip=5000, total=20_000)
    assert verdict["is_flat"] is is_flat
    assert verdict["bytes_per_quench"] - verdict["bytes_per_quench_of_archive"] == pytest.approx(leak, abs=0.1)


def test_lowest_curvature_is_that_of_the_library(script):
    corners = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    tetrahedron = corners * 2 ** (1 / 6) / math.sqrt(8)
    found = script("verify_minima").lowest_curvature(LennardJones(), tetrahedron)
    assert found == pytest.approx(float(modes(LennardJones(), tetrahedron[None]).lowest), rel=1e-4)
    flat = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=torch.float64) * 1.1
    assert script("verify_minima").lowest_curvature(LennardJones(), flat) < 0


def test_labels_tell_l_from_d_and_trans_from_cis(script):
    molecule = read_molecule(DIPEPTIDE)
    labels_of = script("verify_minima").Labels(molecule)
    own, is_left, is_trans = labels_of(molecule.positions)
    assert (sorted(own.values()), is_left, is_trans) == (["S"], True, True)
    mirrored, is_left, is_trans = labels_of(-molecule.positions)
    assert (sorted(mirrored.values()), is_left, is_trans) == (["R"], False, True)
    assert script("verify_minima").bonds_of(molecule, molecule.positions) == set(map(tuple, molecule.bonds.tolist()))


def test_a_turned_copy_is_a_duplicate_unless_its_energy_differs(script):
    molecule = read_molecule(DIPEPTIDE)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
    turn = turn * torch.linalg.det(turn)
    pair = torch.stack([molecule.positions, molecule.positions @ turn.T])
    check = script("verify_minima").check_pairs
    assert check(molecule, pair, torch.tensor([0.0, 5e-4]), "distinct")["duplicates"] == 1
    assert check(molecule, pair, torch.tensor([0.0, 2e-3]), "distinct")["pairs_within_1_meV"] == 0
    assert check(molecule, pair * torch.tensor([[[1]], [[-1]]]), torch.zeros(2), "distinct")["duplicates"] == 0
    assert check(molecule, pair[:1], torch.zeros(1), "distinct")["duplicates"] == 0


def test_what_moves_when_relaxed_with_the_reference(script):
    part = script("reoptimise")
    water = read_molecule("O")
    positions = torch.stack([water.positions, 1.05 * water.positions])
    energy = torch.tensor([0.0, 1.0], dtype=torch.float64)
    found = part.reoptimise(water, positions, energy, engine=part.EngineChoice("gfn2", 1))
    assert (found["structures"], found["within_0.3_all_atoms"], found["not_converged"]) == (2, 2, 0)
    # Both end in the one minimum of water, so all of the difference is an error: half an eV on either side.
    assert found["error_minima_kept_kcal"] == pytest.approx(0.5 / KCAL_PER_MOL, rel=1e-3)
    assert found["energy_relaxed"][0] == pytest.approx(found["energy_relaxed"][1], abs=1e-3)
    assert found["rmsd_all_atoms"][1] > found["rmsd_all_atoms"][0] > 0
    assert found["evaluations"] > 2


def test_the_stopwatch_counts_every_second_once_and_leaves_no_trace(script):
    class Worker:
        def outer(self):
            time.sleep(0.02)
            self.inner()

        def inner(self):
            time.sleep(0.05)

    plain = Worker.outer
    with script("stopwatch").Stopwatch(((Worker, "outer", "a"), (Worker, "inner", "b"))) as watch:
        Worker().outer()
    assert Worker.outer is plain
    assert watch.seconds["b"] >= 0.05 > watch.seconds["a"] >= 0.02
    waits = []
    timed = script("stopwatch").Stopwatch(
        ((Worker, "outer", "a"), (Worker, "inner", "b")), whole=("a",), wait=lambda: waits.append(1)
    )
    with timed as watch:
        Worker().outer()
        Worker().inner()
    assert watch.seconds["a"] >= 0.07
    assert 0.05 <= watch.seconds["b"] < watch.seconds["a"]
    assert len(waits) == 4


def test_the_recorded_command_names_no_place(script):
    words = ["benchmarks/memory.py", "--out", str(Path.cwd() / "found.json"), "--seed", "1"]
    assert script("report").command(words) == "python benchmarks/memory.py --out found.json --seed 1"


@pytest.mark.slow
def test_lennard_jones_counts(tmp_path):
    words = ("counts", "--sizes", "6", "7", "--seeds", "0", "--quenches", "600")
    found = run("lennard_jones.py", *words, out=tmp_path / "lj.json")
    assert [row["right"] for row in found["results"]] == [True, True]
    assert {"hardware", "versions", "command", "settings", "results"} == set(found)


@pytest.mark.slow
def test_lennard_jones_first_encounter_and_large_clusters(tmp_path):
    found = run("lennard_jones.py", "lj13", "--seeds", "0", "--quenches", "600", out=tmp_path / "lj13.json")
    assert 0 < found["results"][0]["minima"] < 600
    found = run("lennard_jones.py", "lj38", "--seeds", "0", "--quenches", "100", out=tmp_path / "lj38.json")
    assert found["results"]["searches"][0]["spent"] >= 100 or found["results"]["hits"] == 1


@pytest.mark.slow
def test_memory(tmp_path):
    words = ("--quenches", "1500", "--skip", "500", "--every", "200", "--replicas", "64")
    found = run("memory.py", *words, out=tmp_path / "memory.json")["results"]
    assert len(found["readings"]) >= 5
    assert found["resident_at_end_mb"] > 50


@pytest.mark.slow
def test_minima_of_the_reference_level_stay_where_they_are(tmp_path):
    folder = tmp_path / "run"
    words = ("--potential", "gfn2", "--n-minima", "2", "--replicas", "4", "--seed", "0", "--out", str(folder))
    assert main(["explore", "--molecule", DIPEPTIDE, *words]) == 0
    found = run("verify_minima.py", folder, "--sample", "2", out=tmp_path / "verified.json")["results"]
    assert found["is_sound"]
    assert found["hessians"] == found["minima"] >= 2
    assert found["sample"]["within_0.3_all_atoms"] == 2
    assert found["sample"]["error_minima_stayed_kcal"] < 1e-3


@pytest.mark.slow
def test_against_ase(tmp_path):
    words = ("--seconds", "20", "--replicas", "8", "--contenders", "minima-hopping")
    found = run("against_ase.py", *words, out=tmp_path / "ase.json")["results"]["searches"]
    assert set(found) == {"pesx", "ase-minima-hopping"}
    assert sum(found["pesx"]["time_shares"].values()) == pytest.approx(1)
    assert all(report["evaluations"] > 0 for report in found.values())
