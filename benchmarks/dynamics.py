"""Steps of molecular dynamics per second: pesx with 1, 8, 64 and 512 replicas in one batch, beside ASE's Langevin.

The molecule is Ac-Ala3-NHMe (or ``--molecule``), with the model that comes with pesx in float32, Langevin dynamics at 300 K
with 0.5 fs. ASE moves one replica with ``PesxCalculator``, so both evaluate the same network. pesx runs as ``pesx md`` does:
monitors, DCD files and energies every 10 fs, which is ten times as often as usual; ASE writes nothing. Sizes take turns with
ASE, so that what else happens on the machine meets both; the ratio of a size is that to the turn of ASE just before it. What is
set up once is off the clock.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from report import make_parser, plain_settings, set_threads, show, write

from pesx.calculator import PesxCalculator
from pesx.dynamics.simulation import Progress
from pesx.molecular_dynamics import DynamicsSettings, MolecularDynamics

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "ala3.xyz"
TEMPERATURE = 300.0
TIMESTEP = 0.5
FRICTION = 1.0
"""1/ps."""
EVERY = 10.0
"""fs between frames of pesx, and between looks at the clock."""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = make_parser(__doc__, "dynamics.json")
    parser.add_argument("--molecule", default=str(EXAMPLE), help="structure file (Ac-Ala3-NHMe)")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 8, 64, 512], help="sizes of the batch")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement (60)")
    parser.add_argument("--device", default="cpu", help="where the network runs (cpu)")
    return parser.parse_args(argv)


def pesx_speed(arguments: argparse.Namespace, n_replicas: int) -> dict[str, float]:
    """Return steps per second of all replicas together."""
    settings = DynamicsSettings(
        arguments.molecule,
        temperature=(TEMPERATURE,),
        replicas=n_replicas,
        time=1e6 * EVERY / 1000,
        timestep=TIMESTEP,
        friction=FRICTION,
        every=EVERY,
        seed=arguments.seed,
        device=arguments.device,
    )
    marks: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder, MolecularDynamics.start(settings, Path(folder) / "run") as dynamics:

        def observe(progress: Progress) -> None:
            # The first frames compile and warm up.
            marks.append((time.perf_counter(), progress.replica_steps))
            if len(marks) > 2 and marks[-1][0] - marks[1][0] >= arguments.seconds:
                dynamics.simulation.interrupt()

        dynamics.go(observe)
    # The frame after the interrupt is not looked at, so all marks belong to the measurement.
    seconds, steps = marks[-1][0] - marks[1][0], marks[-1][1] - marks[1][1]
    return {"replicas": n_replicas, "seconds": seconds, "steps": steps, "steps_per_second": steps / seconds}


def ase_speed(arguments: argparse.Namespace, start: Atoms) -> dict[str, float]:
    """Return steps per second of ASE's Langevin with the same model."""
    atoms = start.copy()
    atoms.calc = PesxCalculator(device=arguments.device, dtype="float32")
    atoms.set_constraint(FixCom())
    draws = np.random.default_rng(arguments.seed).standard_normal((len(atoms), 3))
    atoms.set_momenta(np.sqrt(units.kB * TEMPERATURE * atoms.get_masses())[:, None] * draws)
    motion = Langevin(
        atoms,
        TIMESTEP * units.fs,
        temperature_K=TEMPERATURE,
        friction=1e-3 * FRICTION / units.fs,
        fixcm=False,
        rng=np.random.default_rng(arguments.seed),
    )
    n_steps = round(EVERY / TIMESTEP)
    motion.run(n_steps)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < arguments.seconds:
        motion.run(n_steps)
        steps += n_steps
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "steps": steps, "steps_per_second": steps / seconds}


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row per size, each with the turn of ASE before it."""
    start = ase.io.read(arguments.molecule)
    rows = []
    for n_replicas in arguments.replicas:
        alone = ase_speed(arguments, start)
        batch = pesx_speed(arguments, n_replicas)
        ratio = batch["steps_per_second"] / alone["steps_per_second"]
        rows.append(
            {**batch, "ase": alone, "ratio": ratio, "ns_per_day": batch["steps_per_second"] * TIMESTEP * 0.0864}
        )
    return rows


def main(arguments: argparse.Namespace) -> None:
    """Measure, show and write."""
    set_threads(arguments.threads)
    rows = measure(arguments)
    table = [
        (row["replicas"], row["steps_per_second"], row["ns_per_day"], row["ase"]["steps_per_second"], row["ratio"])
        for row in rows
    ]
    show("Dynamics", ("replicas", "steps/s, all", "ns/day, all", "ASE steps/s", "ratio"), table)
    write(arguments.out, settings=plain_settings(arguments), results=rows)


if __name__ == "__main__":
    main(parse())
