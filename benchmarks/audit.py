"""Is the audit quick, small, and free of false alarms?

    python benchmarks/audit.py size
    python benchmarks/audit.py gfn2
    python benchmarks/audit.py amber

``size`` writes a DCD of 2 GB, half a picosecond of Ac-Ala3-NHMe with the packaged model forth and back again and again, and
audits it in a process of its own, beside one that only loads the file with MDTraj in the same pieces: seconds, processor
seconds, their ratio, and the largest memory of each. ``gfn2`` makes 20 ps at 500 K with GFN2-xTB and ASE's Langevin, ``amber``
200 ps at 300 K with OpenMM and AMBER14, both of the same peptide, and audits them: every event is a false alarm.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ase
import ase.units
import mdtraj
import numpy as np
import torch
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from report import add_common, largest_memory, plain_settings, set_threads, show, write

from pesx.analysis.audit.audit import Audited, AuditSettings, audit_trajectory
from pesx.analysis.audit.observables import Observer
from pesx.analysis.audit.topologies import read_topology, topology_of
from pesx.analysis.audit.trajectories import Trajectory
from pesx.chemistry import read_molecule
from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.snapshot import Snapshot
from pesx.dynamics.topology import Topology, in_file_order
from pesx.labelling.trajectories import langevin
from pesx.molecule import Molecule
from pesx.monitors import Monitors
from pesx.registry import make_potential

PEPTIDE = Path(__file__).parents[1] / "examples/ala3.xyz"
GIGABYTE = 10**9
STEPS = 500


def thermal_motion(molecule: Molecule, n_steps: int, seed: int) -> np.ndarray:
    """Return every step of Langevin dynamics at 300 K with the packaged model, angstrom."""
    potential, _ = make_potential("so3krates", molecule)

    def evaluate(positions: np.ndarray) -> tuple[float, np.ndarray]:
        now = potential(torch.from_numpy(positions)[None].float())
        return float(now.energy[0]), now.forces[0].double().numpy()

    steps = langevin(
        evaluate,
        molecule.positions.numpy(),
        molecule.masses.numpy(),
        temperature=300.0,
        timestep=1.0,
        friction=0.02,
        rng=np.random.default_rng(seed),
    )
    return np.array([next(steps)[0] for _ in range(n_steps)])


def snapshot(x: np.ndarray, velocities: np.ndarray | None, start: int, interval: float) -> Snapshot:
    """Return frames as the writers take them; what is not known is zero."""
    n = len(x)
    zero = np.zeros(n)
    v = np.zeros_like(x) if velocities is None else velocities
    time_ps = interval * (start + np.arange(n))
    return Snapshot(zero.astype(int), time_ps, x, v, np.zeros_like(x), zero, zero, zero, zero)


def write_large(path: Path, molecule: Molecule, size: float, seed: int) -> int:
    """Write a DCD of some size, bytes, and return its number of frames."""
    x = thermal_motion(molecule, STEPS, seed)
    x = np.concatenate([x, x[::-1]])  # forth and back, so that it goes on without a jump
    dcd, n_frames = Dcd(molecule.n_atoms, timestep=1.0, every=1), 0
    frames = dcd.encode(snapshot(x, None, 0, 1e-3))
    with path.open("wb") as file:
        file.write(dcd.header())
        while file.tell() < size:
            file.write(frames)
            n_frames += len(x)
    dcd.mend(path)
    return n_frames


def one_process(kind: str, path: Path) -> dict[str, float]:
    """Run one of the two programs in a process of its own and return what it used."""
    command = [sys.executable, __file__, "process", kind, str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def process(arguments: argparse.Namespace) -> None:
    """Load, or audit, one file, and print what that took."""
    torch.set_num_threads(1)
    molecule = read_molecule(PEPTIDE)
    topology = topology_of(molecule)
    monitors, observer = Monitors(molecule), Observer(molecule)
    n_events = 0
    began, used = time.perf_counter(), time.process_time()
    if arguments.kind == "load":
        n_frames = sum(len(part) for part in mdtraj.iterload(str(arguments.path), top=topology, chunk=1000))
    else:
        result = audit_trajectory(Trajectory(arguments.path, topology), monitors, observer)
        n_frames, n_events = result.n_frames, len(result.events)
    found = {
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - used,
        "memory_mb": largest_memory(),
        "n_frames": n_frames,
        "n_events": n_events,
    }
    print(json.dumps(found))


def size(arguments: argparse.Namespace) -> dict[str, Any]:
    """Audit a large file, and load it."""
    molecule = read_molecule(PEPTIDE)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        path = Path(place) / "large.dcd"
        n_frames = write_large(path, molecule, arguments.gigabytes * GIGABYTE, arguments.seed)
        found = {kind: one_process(kind, path) for kind in ("load", "audit")}
        megabytes = path.stat().st_size / 1e6
    ratio = found["audit"]["processor_seconds"] / found["load"]["processor_seconds"]
    rows = [
        (kind, row["seconds"], row["processor_seconds"], row["memory_mb"], row["n_frames"], row["n_events"])
        for kind, row in found.items()
    ]
    show(
        f"{n_frames} frames, {megabytes:.0f} MB; audit / load {ratio:.2f}",
        ("", "s", "processor s", "memory, MB", "frames", "events"),
        rows,
    )
    return {"n_frames": n_frames, "megabytes": megabytes, "ratio": ratio, **found}


def gfn2(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run and audit GFN2-xTB at 500 K."""
    from tblite.ase import TBLite

    molecule = read_molecule(PEPTIDE)
    atoms = ase.Atoms(molecule.symbols, molecule.positions.numpy(), calculator=TBLite(method="GFN2-xTB", verbosity=0))
    rng = np.random.default_rng(arguments.seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=500.0, rng=rng)
    dynamics = Langevin(atoms, ase.units.fs, temperature_K=500.0, friction=0.01 / ase.units.fs, rng=rng, fixcm=False)
    every = 5
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        path = Path(place) / "gfn2.extxyz"
        with path.open("wb") as file:
            for number in range(round(1e3 * arguments.picoseconds / every)):
                dynamics.run(every)
                v = atoms.get_velocities()[None] * ase.units.fs
                track = snapshot(atoms.positions[None], v, number, every * 1e-3)
                file.write(Extxyz(molecule.symbols).encode(track).replace(b" temperature=0.0000", b""))
        return _false_alarms(audited(path, molecule, topology_of(molecule), 500.0))


def amber(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run and audit AMBER14 at 300 K."""
    import openmm
    from openmm import app, unit

    molecule, _ = in_file_order(read_molecule(PEPTIDE))
    field = app.ForceField("amber14/protein.ff14SB.xml")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        pdb, path = Path(place) / "amber.pdb", Path(place) / "amber.dcd"
        pdb.write_text(Topology.of(molecule).as_pdb(molecule.positions))
        start = app.PDBFile(str(pdb))
        system = field.createSystem(start.topology, nonbondedMethod=app.NoCutoff, constraints=None)
        integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 1 * unit.femtosecond)
        integrator.setRandomNumberSeed(arguments.seed + 1)
        platform = openmm.Platform.getPlatformByName("Reference")
        simulation = app.Simulation(start.topology, system, integrator, platform)
        simulation.context.setPositions(start.positions)
        simulation.minimizeEnergy()
        simulation.context.setVelocitiesToTemperature(300 * unit.kelvin, arguments.seed + 1)
        simulation.reporters.append(app.DCDReporter(str(path), 10))
        simulation.step(round(1e3 * arguments.picoseconds))
        del simulation
        named = read_topology(pdb)
        return _false_alarms(audited(path, named.molecule, named.topology, 300.0))


def audited(path: Path, molecule: Molecule, topology: Any, target: float) -> Audited:
    """Audit one file to its end."""
    settings = AuditSettings(to_the_end=True)
    return audit_trajectory(Trajectory(path, topology), Monitors(molecule), Observer(molecule), settings, target=target)


def _false_alarms(result: Audited) -> dict[str, Any]:
    found = result.as_json()
    found.pop("path")
    rows = [(result.n_frames, result.watched, result.temperature, len(result.events))]
    show("False alarms", ("frames", "ps", "mean K", "events"), rows)
    return found


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    for run, amount, default in ((size, "gigabytes", 2.0), (gfn2, "picoseconds", 20.0), (amber, "picoseconds", 200.0)):
        part = parts.add_parser(run.__name__)
        add_common(part, f"audit_{run.__name__}.json")
        part.add_argument(f"--{amount}", type=float, default=default)
        part.add_argument("--folder", type=Path, default=None, help="for the trajectory while it is there")
        part.set_defaults(run_part=run)
    alone = parts.add_parser("process")
    alone.add_argument("kind", choices=("load", "audit"))
    alone.add_argument("path", type=Path)
    alone.set_defaults(run_part=process)
    return parser.parse_args(words)


def main() -> None:
    """Run one part and write its results."""
    arguments = parse()
    if arguments.run_part is process:
        process(arguments)
        return
    set_threads(arguments.threads)
    write(arguments.out, settings=plain_settings(arguments), results=arguments.run_part(arguments))


if __name__ == "__main__":
    main()
