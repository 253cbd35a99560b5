"""How fast is one device, from evaluations to minima? One script for a processor and for a GPU.

    python benchmarks/throughput.py --device cuda --n-minima 5000
    OMP_NUM_THREADS=1 python benchmarks/throughput.py --threads 1

With the model that comes with pesx, in float32: evaluations per second of Ac-Ala3-NHMe by number of replicas, and of
Ac-Ala_n-NHMe by number of atoms, with the share of the fastest matrix product on the same device and the memory that each
batch takes (on a processor, the most of the process so far); then a search from its beginning to so many minima, with
quenches, evaluations and distinct minima per second, occupancy of the slots, and where the time goes. Frames are displaced by
0.05 angstrom a coordinate, so that no two are alike.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from against_ase import WATCHED, WHOLE
from force_field import multiply_adds, peptide
from report import largest_memory, make_parser, plain_settings, set_threads, show, write
from stopwatch import Stopwatch

from pesx import ExploreSettings, Run
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates import checkpoint
from pesx.so3krates.graph import replicas

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "ala3.xyz"
NOISE = 0.05
ENOUGH = 1.0
"""Seconds of each measurement, and at least three calls."""


def wait(device: str) -> None:
    """Wait until the device has done all that it was told."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def per_second(call: Any, device: str) -> float:
    """Return how often a call is done in a second."""
    call()
    wait(device)
    n, begin = 0, time.perf_counter()
    while n < 3 or time.perf_counter() - begin < ENOUGH:
        call()
        wait(device)
        n += 1
    return n / (time.perf_counter() - begin)


def peak(device: str) -> float:
    """Return the multiply-adds per second of a large matrix product in float32 on the device."""
    size = 1024 if device == "cpu" else 8192
    matrix = torch.randn(size, size, device=device)
    return size**3 * per_second(lambda: matrix @ matrix, device)


def megabytes(device: str) -> float:
    """Return the most memory taken so far."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return largest_memory()


def evaluations(n_residues: int, n_replicas: int, limit: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time energies and forces of a batch."""
    device = arguments.device
    molecule = peptide(n_residues)
    potential = LearnedPotential(checkpoint.load()[0], molecule.numbers, device=device, compiles=arguments.compile)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
    noise = torch.randn(n_replicas, molecule.n_atoms, 3, generator=torch.Generator().manual_seed(arguments.seed))
    moved = (molecule.positions.float() + NOISE * noise).to(device)
    rate = n_replicas * per_second(lambda: potential(moved), device)
    settings = checkpoint.load()[0].settings
    one = moved[: min(n_replicas, 16)].cpu()
    n_pairs = len(replicas(molecule.numbers, one, settings.cutoff).pair_i) / len(one)
    count = multiply_adds(settings, molecule.n_atoms, n_pairs)["total"]
    return {
        "residues": n_residues,
        "atoms": molecule.n_atoms,
        "replicas": n_replicas,
        "evaluations_per_s": rate,
        "microseconds_per_atom": 1e6 / (rate * molecule.n_atoms),
        "of_peak": rate * count / limit,
        "megabytes": megabytes(device),
        "replicas_a_part": potential.n_rows,
    }


def search(arguments: argparse.Namespace) -> dict[str, Any]:
    """Search from the beginning to the end."""
    settings = ExploreSettings(
        molecule=str(EXAMPLE),
        n_minima=arguments.n_minima,
        replicas=arguments.slots,
        seed=arguments.seed,
        device=arguments.device,
    )
    begin = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as place,
        Stopwatch(WATCHED, whole=WHOLE, wait=lambda: wait(arguments.device)) as watch,
        Run.start(settings, Path(place) / "run") as run,
    ):
        set_up = time.perf_counter() - begin - sum(watch.seconds.values())
        run.go()
        progress, n_slots = run.exploration.progress(), run.exploration.sizes.n_slots
    wall = time.perf_counter() - begin
    shares = {"set-up": set_up, **watch.seconds}
    shares["rest"] = wall - sum(shares.values())
    return {
        "minima": progress.n_minima,
        "seconds": wall,
        "slots": n_slots,
        "quenches_per_s": progress.n_quenches / wall,
        "evaluations_per_s": progress.n_evaluations / wall,
        "minima_per_s": progress.n_minima / wall,
        "evaluations_per_quench": progress.n_evaluations / progress.n_quenches,
        "occupancy": progress.occupancy,
        "time_shares": {name: seconds / wall for name, seconds in shares.items()},
    }


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = make_parser(__doc__, "throughput.json")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (cpu)")
    parser.add_argument("--compile", action="store_true", help="torch.compile for the evaluations, on a GPU")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 16, 64, 256, 1024], help="sizes of the batch")
    parser.add_argument(
        "--residues", type=int, nargs="+", default=[1, 2, 3, 5, 10, 20], help="lengths of Ac-Ala_n-NHMe"
    )
    parser.add_argument("--many", type=int, default=64, help="replicas of each length (64)")
    parser.add_argument("--slots", type=int, default=0, help="replicas of the search; 0 for its default")
    parser.add_argument("--n-minima", type=int, default=100, help="of the search (100)")
    return parser.parse_args(words)


def main(arguments: argparse.Namespace) -> None:
    """Measure, show and write."""
    set_threads(arguments.threads)
    limit = peak(arguments.device)
    print(f"Matrix products in float32: {limit / 1e9:.0f} billion multiply-adds a second.")
    by_replicas = [evaluations(3, n, limit, arguments) for n in arguments.replicas]
    by_atoms = [evaluations(n, arguments.many, limit, arguments) for n in arguments.residues]
    columns = ("atoms", "replicas", "evaluations_per_s", "microseconds_per_atom", "of_peak", "megabytes")
    for title, rows in (("By replicas", by_replicas), ("By atoms", by_atoms)):
        show(title, columns, [[row[name] for name in columns] for row in rows])
    found = search(arguments)
    shares = found["time_shares"]
    show("Search", list(found)[:-1], [list(found.values())[:-1]])
    show("Shares of its time", list(shares), [list(shares.values())])
    results = {"peak_multiply_adds_per_s": limit, "by_replicas": by_replicas, "by_atoms": by_atoms, "search": found}
    write(arguments.out, settings=plain_settings(arguments), results=results)


if __name__ == "__main__":
    main(parse())
