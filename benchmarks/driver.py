"""How many hops a second the driver can hand out and take back, and so how many GPUs it can feed.

The driver is the real one: walkers, moves, archive, ledger and database of ``pesx explore``, with Ac-Ala3-NHMe. The workers are
not: they return, at once, minima drawn from a pool of synthetic ones, part of them in the archive already. So all the time is
the driver's, and its parts are told apart. What the orders and the report of a round cost the driver on their way through Ray
is measured with an actor that does nothing else.

With a rate of quenches for a GPU (``--per-gpu``), both together say how many GPUs the driver can feed: that is an estimate for
GPUs that were not there. So is what could be fed if the workers made the proposals and looked at the chemistry, and if they
also knew the archive and reported only what it lacks.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from archive import minima, stored, synthetic
from force_field import EXAMPLE
from report import make_parser, plain_settings, set_threads, show, write
from stopwatch import Stopwatch

from pesx import RunStore
from pesx.chemistry.read import read_molecule
from pesx.explore.bench import Checked, Ended
from pesx.explore.exploration import Exploration, Sizes, walkers_for
from pesx.explore.ledger import Ledger
from pesx.explore.presets import molecule_parts
from pesx.explore.slots import Job
from pesx.explore.stop import Stop
from pesx.explore.walkers import Hops
from pesx.guards.molecular import MolecularGuard
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.rules import Sieve
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.settings import DEFAULT_WINDOW
from pesx.so3krates.checkpoint import load
from pesx.state import Modes
from pesx.typing import Index, Positions, Tensor

_ENDLESS = 10**9
PARTS = [
    (Exploration, "_propose", "proposals"),
    (Sieve, "judge", "chemistry"),
    (Sieve, "recognise", "archive"),
    (MinimaArchive, "add", "archive"),
    (MinimaArchive, "visit", "archive"),
    (Ledger, "record", "records"),
    (Exploration, "commit", "writing"),
]


class Echo:
    """A bench that is done with every hop at once.

    Args:
        pool: Minima; hops end in one of them, drawn at random.
        energy: Of each, eV.
        n_slots: Hops at a time.
        generator: Of the draws.
    """

    def __init__(self, pool: Positions, energy: Tensor, n_slots: int, generator: torch.Generator) -> None:
        self._pool, self._energy, self._generator = pool, energy, generator
        self.n_slots = self.n_free = n_slots
        self.n_evaluations, self.occupancy = 0, 1.0
        self._quenched: list[Ended] = []
        self._polished: list[Ended] = []
        self._checked: list[Checked] = []

    def start(self, walker: Index, hops: Hops) -> None:  # noqa: ARG002 - of the protocol
        """Let hops end somewhere in the pool."""
        chosen = torch.randint(len(self._pool), (len(walker),), generator=self._generator)
        ends = minima(self._pool[chosen], self._energy[chosen])
        self._quenched.append(Ended(Job.fresh(walker, torch.full_like(walker, 200)), ends))
        self.n_evaluations += 200 * len(walker)

    def polish(self, ended: Ended) -> None:
        """Return them as they are."""
        self._polished.append(ended)

    def check(self, walker: Index, positions: Positions) -> None:
        """Find no negative mode."""
        n, zeros = len(walker), torch.zeros(len(walker), dtype=torch.long)
        self._checked.append(
            Checked(walker, Modes(torch.ones(n).double(), zeros, torch.ones(n).double(), positions, zeros))
        )

    def advance(self) -> None:
        """Do nothing."""

    def take_quenched(self) -> Ended | None:
        """Return what was started."""
        return self._quenched.pop() if self._quenched else None

    def take_polished(self) -> Ended | None:
        """Return what was to be polished."""
        return self._polished.pop() if self._polished else None

    def take_checked(self) -> Checked | None:
        """Return what was to be checked."""
        return self._checked.pop() if self._checked else None

    def take_lost(self) -> Index:
        """Return none."""
        return torch.zeros(0, dtype=torch.long)

    def snapshot(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> Index:  # noqa: ARG002 - of the protocol
        """Take nothing."""
        return torch.zeros(0, dtype=torch.long)

    def close(self) -> None:
        """Do nothing."""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = make_parser(__doc__, "driver.json")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="minima in the archive")
    parser.add_argument("--slots", type=int, default=512, help="hops taken back at a time (512)")
    parser.add_argument("--rounds", type=int, default=12, help="of so many hops (12)")
    parser.add_argument("--new", type=float, default=0.2, help="part of the hops that find a new minimum (0.2)")
    parser.add_argument("--per-gpu", type=float, default=95.0, help="quenches a second of one GPU (95)")
    parser.add_argument("--reports", type=int, default=200, help="through Ray, to be timed (200)")
    parser.add_argument(
        "--rare", type=float, default=0.02, help="part of the hops that find something new, late in a run (0.02)"
    )
    return parser.parse_args(argv)


def hops_per_second(molecule: Molecule, size: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Return what the driver can do with so many minima in its archive."""
    generator = torch.Generator().manual_seed(arguments.seed)
    n_hops = arguments.rounds * arguments.slots
    n_new = math.ceil(arguments.new * size / (1 - arguments.new))
    pool = synthetic(molecule, size + n_new, generator)
    energy = DEFAULT_WINDOW * torch.rand(len(pool), generator=generator, dtype=torch.float64)
    potential = LearnedPotential(load()[0], molecule.numbers)
    parts, archive = molecule_parts(potential, molecule, n_seeds=8, seed=arguments.seed)
    key = MolecularGuard(molecule, amides="allow").keys(pool[:1])
    archive.restore(pool[:size], energy[:size], key * size, torch.ones(size).long())
    sizes = Sizes(n_walkers=walkers_for(arguments.slots), n_slots=arguments.slots, seed=arguments.seed)
    with tempfile.TemporaryDirectory() as folder, RunStore.create(Path(folder) / "run", molecule) as store:
        stored(store, pool[:size], energy[:size], key * size)
        search = Exploration(
            parts,
            sizes,
            archive=archive,
            ledger=Ledger(store),
            template=molecule.positions,
            bench=Echo(pool, energy, arguments.slots, generator),
        )
        search.run(Stop(_ENDLESS, max_quenches=2 * arguments.slots))  # walkers find homes
        with Stopwatch(PARTS) as watch:
            began = time.process_time()
            before = search.ledger.n_quenches
            search.run(Stop(_ENDLESS, max_quenches=before + n_hops))
            seconds = time.process_time() - began
            n_done = search.ledger.n_quenches - before
    each = {f"{name}_us": 1e6 * took / n_done for name, took in watch.seconds.items()}
    return {
        "minima": size,
        "new_at_the_end": len(archive) - size,
        "hops_per_s": n_done / seconds,
        "us_per_hop": 1e6 * seconds / n_done,
        **each,
    }


class Answering:
    """An actor that returns as many ends of hops as it is sent hops."""

    def work(self, hops: Hops) -> Ended:
        """Return ends."""
        walker = torch.arange(len(hops.move))
        return Ended(Job.fresh(walker), minima(hops.positions, hops.kinetic))


def cost_of_a_round(molecule: Molecule, n_hops: int, n_rounds: int) -> dict[str, float]:
    """Return what sending orders and taking a report costs the driver, through Ray, s."""
    import ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        actor = ray.remote(Answering).remote()
        places = molecule.positions.double().expand(n_hops, -1, -1).clone()
        zeros = torch.zeros(n_hops).double()
        hops = Hops(positions=places, velocities=places, kinetic=zeros, move=zeros.long())
        ray.get(actor.work.remote(hops))
        began = time.process_time()
        for _ in range(n_rounds):
            ray.get(actor.work.remote(hops))
        return {"hops": n_hops, "us_per_round": 1e6 * (time.process_time() - began) / n_rounds}
    finally:
        ray.shutdown()


def fed(row: dict[str, float], of_rounds: float, arguments: argparse.Namespace) -> dict[str, float]:
    """Return how many GPUs can be fed, as it is and with the work of the driver cut down step by step.

    Args:
        row: Of :func:`hops_per_second`.
        of_rounds: Time for the messages of one GPU, microseconds a second.
        arguments: Of the command line.
    """

    def gpus(us_per_hop: float) -> float:
        return 1e6 / (arguments.per_gpu * us_per_hop + of_rounds)

    without = row["us_per_hop"] - row["proposals_us"] - row["chemistry_us"]
    return {
        "minima": row["minima"],
        "gpus_now": gpus(row["us_per_hop"]),
        "gpus_workers_propose": gpus(without),
        "gpus_workers_know_the_archive": gpus(arguments.rare * without),
    }


def main(argv: list[str] | None = None) -> None:
    """Measure, show, and write."""
    arguments = parse(argv)
    set_threads(arguments.threads)
    molecule = read_molecule(str(EXAMPLE))
    rows = [hops_per_second(molecule, size, arguments) for size in arguments.sizes]
    # A worker reports when a sixteenth of its slots has something to say; see pesx.distributed.worker.
    n_hops = arguments.slots // 16
    of_a_round = cost_of_a_round(molecule, n_hops, arguments.reports)
    of_rounds = of_a_round["us_per_round"] * arguments.per_gpu / n_hops
    guesses = [fed(row, of_rounds, arguments) for row in rows]
    show("What the driver can do", list(rows[0]), [list(row.values()) for row in rows])
    show("A round of one worker, through Ray", list(of_a_round), [list(of_a_round.values())])
    show("GPUs that can be fed", list(guesses[0]), [list(guess.values()) for guess in guesses])
    results = {"rows": rows, "round": of_a_round, "gpus": guesses}
    write(arguments.out, settings=plain_settings(arguments), results=results)


if __name__ == "__main__":
    main()
