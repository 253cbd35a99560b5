"""pesx's SO3krates beside the two public ones, JAX (mlff) and PyTorch (So3krates-torch), in one run on one core.

The same network in all three (132 features, 3 layers, 4 heads, degrees 1 to 3, 5 angstrom, random weights, float32) and the
same frames: Ac-Ala3-NHMe with thermal noise, energies and forces by batch size; training steps, forth and back through the
forces, by batch size; and one frame of Ac-Ala_n-NHMe by number of atoms. The three programs of ``benchmarks/peers`` start
side by side, each in its own environment, and take turns task by task, so that whatever else the machine does hits all
alike. Times are processor times of all threads of a program on its one core, medians of the rounds; the wall clock stands
beside them in the file. Neighbour lists are made before the clock starts for the peers; for pesx they are in the time.

How to get the peers stands in benchmarks/README.md; one that is absent is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.io import read
from force_field import EXAMPLE, NOISE, multiply_adds, peak, peptide
from report import HERE, make_parser, plain_settings, show, write

from pesx.potentials.learned import LearnedPotential
from pesx.so3krates import checkpoint
from pesx.so3krates.settings import So3kratesSettings

PEERS = HERE / "peers"
ALA3 = "Ac-Ala3-NHMe"
NETWORK = So3kratesSettings(features=132, residual_mlp=False, radial_basis="bernstein")
MOST_SLOPE_ERROR = 0.05
"""Of forces in float32 against differences of energies in float32; random weights give forces so small that round-off shows."""

MOST_WEIGHT_DIFFERENCE = 0.01
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}


class Program:
    """One of the measured programs, running and waiting for tasks.

    Args:
        name: For people.
        python: Interpreter of its environment.
        frames: NPZ file with the molecules.
    """

    def __init__(self, name: str, python: str, frames: Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [python, str(PEERS / f"{name}_so3krates.py"), str(frames)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            text=True,
        )

    def ask(self, task: str, **further: Any) -> dict[str, Any]:
        """Return the answer to a task."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"task": task, **further}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"Expected an answer of {self.name} to {task}; it ended. Its complaint stands above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Let the program end."""
        self._process.communicate()


def make_frames(path: Path, arguments: argparse.Namespace) -> dict[str, int]:
    """Write all molecules with frames and labels to a file; return the number of atoms of each."""
    most = max([*arguments.batches, *arguments.training_batches])
    example = read(EXAMPLE)
    molecules = {ALA3: (torch.tensor(example.numbers), torch.tensor(example.positions), most)}
    for n_residues in arguments.residues:
        numbers, positions = peptide(n_residues)
        molecules[f"Ac-Ala{n_residues}-NHMe, RDKit"] = (numbers, positions, 1)
    model, noise, arrays = checkpoint.load()[0], torch.Generator().manual_seed(arguments.seed), {}
    for name, (numbers, positions, n_frames) in molecules.items():
        shift = NOISE * torch.randn(n_frames, *positions.shape, generator=noise, dtype=torch.float64)
        labels = LearnedPotential(model, numbers, n_threads=1)(positions + shift)
        arrays[f"{name}/numbers"] = numbers.numpy()
        arrays[f"{name}/positions"] = (positions + shift).numpy()
        arrays[f"{name}/energy"] = (labels.energy - labels.energy.mean()).numpy()
        arrays[f"{name}/forces"] = labels.forces.numpy()
    np.savez(path, **arrays)
    return {name: len(numbers) for name, (numbers, _, _) in molecules.items()}


def start(arguments: argparse.Namespace, frames: Path) -> list[Program]:
    """Start the programs whose environments are there."""
    pythons = {"pesx": sys.executable, "jax": arguments.jax_python, "torch": arguments.torch_python}
    for name, python in pythons.items():
        if python is None:
            print(f"No --{name}-python: left out. benchmarks/README.md says how to install it.")
    return [Program(name, python, frames) for name, python in pythons.items() if python is not None]


def examine(program: Program, largest: int) -> dict[str, Any]:
    """Return versions, sizes, checks and memory of a program before anything is timed; stop if it computes nonsense."""
    memory = program.ask("memory", molecule=ALA3, batch=largest)["bytes"]
    about = {**program.ask("describe"), **program.ask("check", molecule=ALA3, batch=4)}
    about["network_weights"] = about["weights"] - about["weights_of_elements"] - about["weights_idle"]
    if not about["finite"] or not about["slope_error"] < MOST_SLOPE_ERROR:
        raise SystemExit(f"Expected finite forces that are minus the slope of the energy; {program.name} has {about}.")
    return {**about, "memory_batch": largest, "bytes_per_replica": memory / largest}


def compare_sizes(about: dict[str, dict[str, Any]]) -> None:
    """Stop if the networks are not of the same size or see other pairs."""
    sizes = {name: found["network_weights"] for name, found in about.items()}
    pairs = {found["directed_pairs"] for found in about.values()}
    if max(sizes.values()) > (1 + MOST_WEIGHT_DIFFERENCE) * min(sizes.values()) or len(pairs) != 1:
        raise SystemExit(f"Expected the same network and pairs everywhere; came {sizes} weights and {pairs} pairs.")


def tasks_of(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return everything to be timed."""
    forces = [{"task": "forces", "molecule": ALA3, "batch": batch} for batch in arguments.batches]
    training = [{"task": "train", "molecule": ALA3, "batch": batch} for batch in arguments.training_batches]
    sizes = [{"task": "forces", "molecule": f"Ac-Ala{n}-NHMe, RDKit", "batch": 1} for n in arguments.residues]
    return forces + training + sizes


def time_all(
    programs: list[Program], tasks: list[dict[str, Any]], arguments: argparse.Namespace
) -> tuple[list[dict[str, list[dict[str, Any]]]], list[dict[str, float]]]:
    """Return for each task the measurements of each program, and the core's limit as often as there are rounds."""
    measured: list[dict[str, list[dict[str, Any]]]] = [{program.name: [] for program in programs} for _ in tasks]
    limits = []
    for number in range(arguments.rounds):
        limits.append(peak(torch.float32))
        for place, (task, found) in enumerate(zip(tasks, measured, strict=True)):
            first = (number + place) % len(programs)
            for program in programs[first:] + programs[:first]:
                found[program.name].append(program.ask(**task, seconds=arguments.seconds))
        print(f"Round {number + 1} of {arguments.rounds} is done.", flush=True)
    return measured, limits


def summarise(
    task: dict[str, Any], found: dict[str, list[dict[str, Any]]], *, limit: float, pairs: float, n_atoms: int
) -> dict[str, Any]:
    """Return the medians of one task, and ratios to pesx."""
    row: dict[str, Any] = {**task, "atoms": n_atoms}
    for name, rounds in found.items():
        for clock in ("cpu_ms", "wall_ms"):
            row[f"{name}_{clock}"] = statistics.median(one[clock] for one in rounds)
        row[f"{name}_range_ms"] = [min(one["cpu_ms"] for one in rounds), max(one["cpu_ms"] for one in rounds)]
    ours = row["pesx_cpu_ms"]
    for name in found:
        row[f"{name}_frames_per_s"] = 1e3 / row[f"{name}_cpu_ms"]
        if name != "pesx":
            row[f"pesx_over_{name}"] = row[f"{name}_cpu_ms"] / ours
    if len(found) > 1:
        row["pesx_over_fastest"] = min(row[f"{name}_cpu_ms"] for name in found if name != "pesx") / ours
    if task["task"] == "forces":
        count = multiply_adds(NETWORK, n_atoms, pairs)["total"]
        row |= {"million_multiply_adds": count / 1e6, "pesx_of_limit": count / (ours * 1e-3) / (limit * 1e9)}
    return row


def pairs_of(frames: Path, task: dict[str, Any]) -> float:
    """Return the mean number of undirected pairs of a task's frames."""
    positions = torch.tensor(np.load(frames)[f"{task['molecule']}/positions"][: task["batch"]])
    near = torch.cdist(positions, positions) < NETWORK.cutoff
    return (float(near.sum()) / len(positions) - positions.shape[1]) / 2


def show_all(rows: list[dict[str, Any]], about: dict[str, dict[str, Any]]) -> None:
    """Print the tables."""
    peers = [name for name in about if name != "pesx"]
    fields = ["atoms", "batch", "pesx_cpu_ms", *(f"{name}_cpu_ms" for name in peers)]
    ratios = [f"pesx_over_{name}" for name in peers] + ["pesx_over_fastest"] * bool(peers)
    fields += [*ratios, "million_multiply_adds", "pesx_of_limit"]
    forces = [row for row in rows if row["task"] == "forces"]
    for title, chosen in (
        (f"Energies and forces of {ALA3}: ms per frame, and how many times faster pesx is", True),
        ("Energies and forces of Ac-Ala_n-NHMe, one frame", False),
    ):
        show(title, fields, [[row[c] for c in fields] for row in forces if (row["molecule"] == ALA3) is chosen])
    fields = ["batch", *(f"{name}_frames_per_s" for name in about), *ratios]
    training = [row for row in rows if row["task"] == "train"]
    show(f"Training on {ALA3}: frames per second", fields, [[row[c] for c in fields] for row in training])
    fields = ["network_weights", "slope_error", "batch_error", "bytes_per_replica", "neighbours_timed"]
    show("The programs", ["program", *fields], [[name, *(own[c] for c in fields)] for name, own in about.items()])


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, "against_peers.json")
    parser.add_argument("--jax-python", help="interpreter of the environment with mlff; left out if not given")
    parser.add_argument("--torch-python", help="interpreter of the environment with So3krates-torch; likewise")
    parser.add_argument("--rounds", type=int, default=5, help="of all tasks; medians are taken (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="per task, program and round, at least (default 2)")
    parser.add_argument("--core", type=int, help="all run on this core (default: the last one that may be used)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64], help="frames at once (default 1 16 64)")
    parser.add_argument(
        "--training-batches", type=int, nargs="*", default=[4, 16, 64], help="frames of a step (default 4 16 64)"
    )
    parser.add_argument(
        "--residues", type=int, nargs="*", default=[1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20], help="n of Ac-Ala_n-NHMe"
    )
    return parser.parse_args(words)


def main(arguments: argparse.Namespace) -> None:
    """Start, check, time, show and write."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if arguments.core is None else arguments.core})
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder) / "frames.npz"
        n_atoms = make_frames(frames, arguments)
        programs = start(arguments, frames)
        about = {program.name: examine(program, max(arguments.batches)) for program in programs}
        compare_sizes(about)
        tasks = tasks_of(arguments)
        measured, limits = time_all(programs, tasks, arguments)
        limit = statistics.median(max(one.values()) for one in limits)
        rows = [
            summarise(task, found, limit=limit, pairs=pairs_of(frames, task), n_atoms=n_atoms[task["molecule"]])
            for task, found in zip(tasks, measured, strict=True)
        ]
        for program in programs:
            program.close()
    show_all(rows, about)
    results = {"programs": about, "billion_multiply_adds_per_s": limits, "times": rows}
    write(arguments.out, settings=plain_settings(arguments), results=results)


if __name__ == "__main__":
    main(parse())
