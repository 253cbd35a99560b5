"""Whole runs, in this process and in others that are killed or meet a full disk; the potential is springs, which is quick."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

from pesx.chemistry.read import read_molecule
from pesx.dynamics.checkpoint import Checkpoint
from pesx.errors import ConfigError, InputError, RunFolderError, WrongFolderError
from pesx.molecular_dynamics import DynamicsSettings, MolecularDynamics

NAME = "springs:Springs"
SMILES = "CC(=O)NC"
RUN = """
import os, resource, sys
import torch
torch.set_num_threads(1)
if len(sys.argv) > 2:
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from pesx.cli import main
sys.exit(main(sys.argv[1].split()))
"""


@pytest.fixture
def module(springs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(springs)
    return springs


def settings(**changes: Any) -> DynamicsSettings:
    usual: dict[str, Any] = {
        "potential": NAME,
        "time": 0.2,
        "every": 10.0,
        "replicas": 2,
        "temperature": (200.0, 300.0),
    }
    return DynamicsSettings(**{"molecule": SMILES, **usual, **changes})


def done(folder: Path, **changes: Any) -> dict[str, Any]:
    with MolecularDynamics.start(settings(**changes), folder) as dynamics:
        assert dynamics.go() == "the time asked for is simulated"
        return json.loads((folder / "provenance.json").read_text())


def results(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for name in ("trajectories", "energies")
        for path in sorted((folder / name).iterdir())
    }


@pytest.mark.usefixtures("module")
def test_a_run_leaves_its_folder_in_good_order(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    provenance = done(folder)
    expected = {"config.toml", "topology.pdb", "trajectories", "energies", "events", "provenance.json"}
    assert {path.name for path in folder.iterdir()} == expected | {"checkpoint.safetensors", "md.lock"}
    assert provenance["status"] == "the time asked for is simulated"
    assert [row["temperature"] for row in provenance["replicas"]] == [200.0, 200.0, 300.0, 300.0]
    assert sorted(provenance["atom_order"]) == list(range(12))
    mdtraj = pytest.importorskip("mdtraj")
    read = mdtraj.load(str(folder / "trajectories" / "replica_0003.dcd"), top=str(folder / "topology.pdb"))
    assert read.n_frames == 21
    assert [residue.name for residue in read.topology.residues] == ["ACE", "NME"]
    bonds = [[a.index, b.index] for a, b in read.topology.bonds]
    lengths = mdtraj.compute_distances(read, bonds)
    assert 0.08 < lengths.min() < lengths.max() < 0.2


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("format", ["dcd", "xtc", "hdf5", "extxyz"])
def test_a_resumed_run_has_the_bytes_of_one_that_was_not_stopped(format: str, tmp_path: Path) -> None:
    pytest.importorskip("mdtraj")
    done(tmp_path / "whole", format=format)
    with MolecularDynamics.start(settings(format=format), tmp_path / "parts") as dynamics:
        status = dynamics.go(lambda progress: dynamics.simulation.interrupt() if progress.n_done >= 100 else None)
        assert status == "interrupted"
    with MolecularDynamics.resume(tmp_path / "parts") as dynamics:
        assert dynamics.go() == "the time asked for is simulated"
    expected, found = results(tmp_path / "whole"), results(tmp_path / "parts")
    same = [name for name in expected if not name.endswith(".h5")]
    assert len(same) == 8
    assert {name: found[name] for name in same} == {name: expected[name] for name in same}
    assert found.keys() == expected.keys()


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("integrator", ["langevin", "verlet", "nose-hoover"])
def test_a_replica_of_a_batch_is_what_it_is_alone(integrator: str, tmp_path: Path) -> None:
    done(tmp_path / "two", integrator=integrator, temperature=(300.0,))
    done(tmp_path / "one", integrator=integrator, temperature=(300.0,), replicas=1)
    two, one = results(tmp_path / "two"), results(tmp_path / "one")
    assert len(one) == 2
    assert {name: two[name] for name in one} == one


@pytest.mark.usefixtures("module")
def test_replicas_start_from_the_minima_given(tmp_path: Path) -> None:
    molecule = read_molecule(SMILES)
    # Far enough apart to be told from one another, and near enough to be the molecule.
    given = [molecule.positions.numpy() * scale for scale in (1.0, 1.02, 1.04)]
    ase.io.write(tmp_path / "minima.extxyz", [Atoms(molecule.symbols, positions) for positions in given])
    folder = tmp_path / "run"
    provenance = done(folder, start=str(tmp_path / "minima.extxyz"), format="extxyz", time=0.01, every=5.0)
    assert [row["start"] for row in provenance["replicas"]] == [0, 1, 2, 0]
    for number, start in enumerate([0, 1, 2, 0]):
        first = ase.io.read(folder / "trajectories" / f"replica_{number:04d}.extxyz", index=0)
        assert np.abs(first.positions - given[start][provenance["atom_order"]]).max() < 1e-6


@pytest.mark.usefixtures("module")
def test_heavier_hydrogens_make_the_dynamics_slower(tmp_path: Path) -> None:
    done(tmp_path / "light", integrator="verlet", temperature=(300.0,), replicas=1, every=1.0, time=0.05)
    done(tmp_path / "heavy", integrator="verlet", temperature=(300.0,), replicas=1, every=1.0, time=0.05, h_mass=3.0)
    energies = [
        np.genfromtxt(tmp_path / name / "energies" / "replica_0000.csv", delimiter=",", names=True)
        for name in ("light", "heavy")
    ]
    light, heavy = (np.abs(np.diff(table["potential_ev"])).mean() for table in energies)
    assert heavy < light
    conserved = energies[1]["conserved_ev"]
    assert np.abs(conserved - conserved[0]).max() < 2e-3


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"potential": "lennard-jones"}, InputError, "eV and angstrom"),
        ({"molecule": "no_such.xyz"}, InputError, "existing file"),
        ({"molecule": "[Ar]", "potential": "gfn2"}, InputError, "with bonds"),
        ({"uncertainty": 0.1}, ConfigError, "with an uncertainty"),
        ({"start": "no_such.extxyz"}, InputError, "cannot be read"),
        ({"h_mass": 9.0}, ConfigError, "every heavy atom"),
        ({"device": "cuda"}, ConfigError, "--device auto or cpu"),
        ({"potential": "nothing"}, InputError, "potential"),
    ],
)
def test_bad_input_is_one_sentence_and_the_folder_can_be_used_again(
    changes: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        MolecularDynamics.start(settings(**changes), tmp_path / "run")
    done(tmp_path / "run", time=0.01, replicas=1)


@pytest.mark.usefixtures("module")
def test_resuming_changes_limits_only_and_the_same_folder_is_not_started_twice(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(folder, time=0.05)
    with pytest.raises(InputError, match="--resume"):
        MolecularDynamics.start(settings(), folder)
    with pytest.raises(ConfigError, match=r"--timestep 0\.5"):
        MolecularDynamics.resume(folder, timestep=1.0)
    with pytest.raises(ConfigError, match="Unknown setting 'tme'"):
        MolecularDynamics.resume(folder, tme=1.0)
    with pytest.raises(WrongFolderError, match="Expected a run of pesx md"):
        MolecularDynamics.resume(tmp_path)
    with MolecularDynamics.resume(folder, time=0.1) as dynamics:
        with pytest.raises(RunFolderError, match="another process"):
            MolecularDynamics.resume(folder)
        dynamics.go()
    assert "time = 0.1" in (folder / "config.toml").read_text()
    done(tmp_path / "whole", time=0.1)
    assert results(folder) == results(tmp_path / "whole")


def command(folder: Path, *more: str) -> list[str]:
    flags = f"md --out {folder} --checkpoint 0.05s"
    return [sys.executable, "-c", RUN, " ".join([flags, *more])]


def environment(module: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(module), "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize(("format", "n_kills"), [("dcd", 2), pytest.param("xtc", 5, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_resumed_it_is_bit_identical(
    format: str, n_kills: int, module: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mdtraj")
    asked = {"time": 0.4, "format": format, "replicas": 3, "temperature": (300.0,)}
    done(tmp_path / "whole", **asked)
    folder = tmp_path / "killed"
    flags = f"--molecule {SMILES} --potential {NAME} --time 0.4ps --every 10fs --replicas 3 --format {format}"
    moments, kills = random.Random(11), 0
    call = command(folder, flags)
    for _ in range(12):
        process = subprocess.Popen(call, env=environment(module), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while not (folder / "checkpoint.safetensors").exists() and process.poll() is None:
            assert time.monotonic() - began < 120
            time.sleep(0.01)
        call = command(folder, "--resume")
        written = sum(path.stat().st_size for path in (folder / "energies").iterdir())
        # Importing takes longer than the run: wait until it writes, then a little.
        while process.poll() is None and sum(p.stat().st_size for p in (folder / "energies").iterdir()) == written:
            time.sleep(0.005)
        try:
            process.wait(moments.uniform(0.0, 0.4))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
            process.wait()
        else:
            assert process.returncode == 0
            break
        if kills == n_kills:
            break
    if kills:
        subprocess.run(command(folder, "--resume"), env=environment(module), check=True, capture_output=True)
    assert kills > 0
    assert results(folder) == results(tmp_path / "whole")
    ends = [Checkpoint.read(path / "checkpoint.safetensors").tensors for path in (folder, tmp_path / "whole")]
    assert ends[0].keys() == ends[1].keys()
    assert [name for name in ends[0] if not torch.equal(ends[0][name].nan_to_num(), ends[1][name].nan_to_num())] == []


def test_a_full_disk_stops_it_cleanly_and_with_space_it_goes_on(module: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    asked = {"time": 1.0, "format": "extxyz", "replicas": 1, "temperature": (300.0,)}
    flags = f"--molecule {SMILES} --potential {NAME} --time 1ps --every 10fs --format extxyz"
    limit = 100_000  # bytes in a file; the checkpoint needs less, the trajectory more
    stopped = subprocess.run(
        [*command(folder, flags), str(limit)], env=environment(module), capture_output=True, text=True, check=False
    )
    assert stopped.returncode == 1, stopped.stderr
    assert "replica_0000.extxyz; it says: File too large" in stopped.stderr
    assert "pesx md --resume" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    frames = ase.io.read(folder / "trajectories" / "replica_0000.extxyz", index=":")
    assert 10 < len(frames) < 101
    assert json.loads((folder / "provenance.json").read_text())["status"].startswith("stopped: File too large")
    assert list(folder.rglob("*.partial")) == []
    subprocess.run(command(folder, "--resume"), env=environment(module), check=True, capture_output=True)
    done(tmp_path / "whole", **asked)
    assert results(folder) == results(tmp_path / "whole")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit
