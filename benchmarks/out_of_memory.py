"""Does a search whose batch does not fit the memory go on in smaller parts, and find the same?

    python benchmarks/out_of_memory.py

Explores a peptide twice, each time in a process of its own with the network as on a GPU: once in small parts, and once
with all replicas as one part while the memory is capped, so that this part cannot fit. Compares both databases row by row and
bit by bit.

On a CPU the cap is on the address space of the process (Linux), on a GPU on the share of its memory that the process may have.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from kill_and_resume import contents, same
from report import make_parser, plain_settings, show, write

from pesx import RunStore
from pesx.chemistry.read import read_molecule
from pesx.explore.exploration import Exploration, Sizes, walkers_for
from pesx.explore.ledger import Ledger
from pesx.explore.presets import molecule_parts
from pesx.explore.stop import Stop
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load
from pesx.threads import one_thread_each

SMALL, LARGE = 2_000, 10**9
"""Pairs of atoms treated at once: a few replicas, and all that come."""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = make_parser(__doc__, "out_of_memory.json")
    parser.add_argument("--molecule", default="CC(=O)NCC(=O)NC", help="file or SMILES (Ac-Gly-NHMe)")
    parser.add_argument("--quenches", type=int, default=192, help="of each search (192)")
    parser.add_argument("--replicas", type=int, default=128, help="at once (128)")
    parser.add_argument(
        "--cap", type=int, default=300, metavar="MIB", help="beyond what is in use before the search (300)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--run-part", nargs=2, metavar=("FOLDER", "PAIRS"), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def cap(mebibytes: int, device: str) -> None:
    """Let this process have no more memory than so much beyond what it has."""
    more = mebibytes * 2**20
    if device == "cpu":
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use + more,) * 2)
    else:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + more) / total)


def search(arguments: argparse.Namespace) -> None:
    """Explore in this process; one part of LARGE pairs comes with the cap. Prints how many rows a part has at the end."""
    folder, pairs = Path(arguments.run_part[0]), int(arguments.run_part[1])
    molecule = read_molecule(arguments.molecule)
    potential = LearnedPotential(
        load()[0], molecule.numbers, device=arguments.device, way="program", max_pairs_per_chunk=pairs, n_threads=1
    )
    parts, archive = molecule_parts(potential, molecule, seed=arguments.seed)
    potential(molecule.positions[None].float())
    n_rows = potential.n_rows
    if pairs == LARGE:
        cap(arguments.cap, arguments.device)
    sizes = Sizes(walkers_for(arguments.replicas), arguments.replicas, seed=arguments.seed, device=arguments.device)
    with RunStore.create(folder, molecule) as store, one_thread_each():
        exploration = Exploration(parts, sizes, archive=archive, ledger=Ledger(store), template=molecule.positions)
        exploration.run(Stop(n_minima=10**6, max_quenches=arguments.quenches))
    print(n_rows, potential.n_rows)


def searched(folder: Path, pairs: int) -> dict[str, Any]:
    """Run :func:`search` in a process of its own and return what it says."""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, *sys.argv, "--run-part", str(folder), str(pairs)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    before, after = map(int, done.stdout.split())
    return {"replicas_a_part": {"at first": before, "at the end": after}, "seconds": time.monotonic() - begin}


def main(arguments: argparse.Namespace) -> None:
    """Search twice and compare."""
    if arguments.run_part:
        search(arguments)
        return
    with tempfile.TemporaryDirectory() as place:
        small, capped = Path(place) / "small", Path(place) / "capped"
        found = {"small parts": searched(small, SMALL), "one part, capped": searched(capped, LARGE)}
        one, other = contents(small), contents(capped)
        results = {
            **found,
            "minima": len(one["minima.energy"]),
            "quenches": len(one["quenches.energy"]),
            "columns_that_differ": [name for name in one if not same(one[name], other[name])],
        }
    show(
        "Searches",
        ["search", "replicas a part at first", "at the end", "s"],
        [[name, *row["replicas_a_part"].values(), row["seconds"]] for name, row in found.items()],
    )
    differ = ", ".join(results["columns_that_differ"]) or "none"
    print(f"\n{results['minima']} minima in {results['quenches']} quenches; columns that differ: {differ}")
    write(arguments.out, settings=plain_settings(arguments), results=results)


if __name__ == "__main__":
    main(parse())
