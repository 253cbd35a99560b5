"""Distinct minima per minute of pesx explore and of ASE's own MinimaHopping and BasinHopping, with the same model.

    python benchmarks/against_ase.py --seconds 300

Same machine, model, threads, time and input structure for each, one after the other, set-up included. Where a search of
ASE ends with an error it is started again with another seed for the rest of its time. Every end of a quench of ASE is a
candidate, not only what it lists as minima (counted too). All candidates of all searches are then counted in one way,
off the clock: relaxed in float64 to 1e-4 eV/angstrom, the guard's verdict, no negative mode, and the rules of the archive,
inside 20 kcal/mol, the default window of pesx, of the lowest minimum that the same search found.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ase.optimize import QuasiNewton
from ase_search import BASIN, MINIMA, AseSearch, search_with_ase
from distinct import count
from report import HERE, make_parser, plain_settings, set_threads, show, write
from stopwatch import Stopwatch

from pesx import ExploreSettings, Outcome, Run, RunStore, make_potential, read_molecule
from pesx.explore.bench import LocalBench
from pesx.explore.exploration import Exploration
from pesx.explore.slots import Lane
from pesx.explore.stop import Progress
from pesx.guards import MolecularGuard
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.sieve import Sieve
from pesx.potentials.learned import LearnedPotential
from pesx.units import BOLTZMANN

NO_LIMIT = 10**9
WARM_UP = 0.2
"""Share of the time after which the slots count as being in their steady state."""

FMAX = 3e-3
"""Where the rough quenches of pesx end, eV/angstrom."""

CONTENDERS = {
    "minima-hopping": AseSearch(MINIMA, {"fmax": FMAX}),
    "basin-hopping": AseSearch(BASIN, {"fmax": FMAX}),
    # Steps and temperature of pesx, since ASE's 0.1 angstrom and 100 K hardly leave a basin; and a faster optimiser than FIRE.
    "basin-hopping-wide": AseSearch(
        BASIN, {"fmax": FMAX, "dr": 0.3, "temperature": 700 * BOLTZMANN, "optimizer": QuasiNewton}
    ),
    "minima-hopping-loose": AseSearch(MINIMA, {}),
    "basin-hopping-loose": AseSearch(BASIN, {}),
}
"""Searches of ASE; the loose ones keep the default fmax, 0.05 and 0.1 eV/angstrom."""

WATCHED: tuple[tuple[type, str, str], ...] = (
    (LearnedPotential, "__call__", "potential"),
    (LocalBench, "take_checked", "index checks"),
    (MinimaArchive, "match", "archive"),
    (MinimaArchive, "add", "archive"),
    (Lane, "advance", "relaxers and dynamics"),
    (MolecularGuard, "outcome", "chemistry"),
    (MolecularGuard, "keys", "chemistry"),
    (Sieve, "judge", "chemistry"),
    (Exploration, "commit", "writing"),
    (Run, "export", "writing"),
)
"""What the time of pesx is told apart into; the rest is proposals, queues, and the interpreter."""

WHOLE = ("index checks",)
"""Of these, what includes its evaluations."""


def search_with_pesx(arguments: argparse.Namespace) -> tuple[torch.Tensor, dict[str, Any]]:
    """Explore with the default settings for the time given; return the minima and how it went."""
    settings = ExploreSettings(
        molecule=str(arguments.molecule),
        model=arguments.model,
        n_minima=NO_LIMIT,
        patience=NO_LIMIT,
        replicas=arguments.replicas,
        amides=arguments.amides,
        seed=arguments.seed,
        device="cpu",
    )
    begin, steady = time.monotonic(), [0, 0]

    def observe(_: Progress) -> None:
        elapsed = time.monotonic() - begin
        if elapsed < WARM_UP * arguments.seconds:
            steady[:] = slots.n_evaluations, slots.n_slot_steps
        if elapsed >= arguments.seconds:
            run.exploration.interrupt()

    with tempfile.TemporaryDirectory() as place, Stopwatch(WATCHED, whole=WHOLE) as watch:
        folder = Path(place) / "run"
        with Run.start(settings, folder) as run:
            slots = run.exploration.bench.slots
            set_up = time.monotonic() - begin - sum(watch.seconds.values())
            run.go(observe)
            progress, n_replicas = run.exploration.progress(), run.exploration.sizes.n_slots
        wall = time.monotonic() - begin
        with RunStore.read(folder) as store:
            positions = store.minima().positions
    parts = {"set-up": set_up, **watch.seconds}
    parts["rest"] = wall - sum(parts.values())
    return positions, {
        "seconds": wall,
        "replicas": n_replicas,
        "quenches": progress.n_quenches,
        "evaluations": progress.n_evaluations,
        "distinct_as_reported": progress.n_minima,
        "occupancy": progress.occupancy,
        "occupancy_steady": (slots.n_evaluations - steady[0]) / max(1, slots.n_slot_steps - steady[1]),
        "outcomes": {Outcome(code).name.lower(): count for code, count in progress.outcomes.items()},
        "time_shares": {name: seconds / wall for name, seconds in parts.items()},
    }


def rates(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report with what follows from its counts."""
    distinct, seconds = report["counted"]["distinct"], report["seconds"]
    return {
        **report,
        "distinct": distinct,
        "distinct_per_minute": 60 * distinct / seconds,
        "quenches_per_second": report["quenches"] / seconds,
        "evaluations_per_distinct": report["evaluations"] / distinct if distinct else None,
    }


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, "against_ase.json")
    parser.add_argument("--molecule", type=Path, default=HERE.parent / "examples/ala3.xyz")
    parser.add_argument("--model", default=None, help="model file (default: the one in the package)")
    parser.add_argument("--seconds", type=float, default=300.0, help="for each search (default 300)")
    parser.add_argument("--replicas", type=int, default=0, help="of pesx in one batch; 0 for its default")
    parser.add_argument(
        "--amides",
        choices=("keep", "allow"),
        default="allow",
        help="whether minima count whose amides turned between cis and trans, for all searches (default allow)",
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=list(CONTENDERS),
        default=["minima-hopping", "basin-hopping", "basin-hopping-wide"],
    )
    return parser.parse_args(words)


def main(arguments: argparse.Namespace) -> None:
    """Search with each, count, show and write."""
    set_threads(arguments.threads)
    molecule = read_molecule(arguments.molecule)
    potential, source = make_potential("so3krates", molecule, model=arguments.model)
    options = {"model": arguments.model, "seconds": arguments.seconds, "seed": arguments.seed}
    searches: dict[str, Callable[[], tuple[torch.Tensor, dict[str, Any]]]] = {
        "pesx": partial(search_with_pesx, arguments)
    }
    for name in arguments.contenders:
        searches[f"ase-{name}"] = partial(search_with_ase, CONTENDERS[name], molecule, **options)
    reports: dict[str, dict[str, Any]] = {}
    for name, search in searches.items():
        with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
            ends, report = search()
        reports[name] = rates({**report, "counted": count(ends, potential, molecule, amides=arguments.amides)})
        print(f"{name}: {reports[name]['distinct']} distinct minima in {report['seconds']:.0f} s", flush=True)
    ours = reports["pesx"]["distinct_per_minute"]
    for report in reports.values():
        theirs = report["distinct_per_minute"]
        report["ratio"] = ours / theirs if theirs else None
    columns = ("distinct", "distinct_per_minute", "ratio", "quenches_per_second", "evaluations_per_distinct", "seconds")
    rows = [[name, *(report[column] for column in columns)] for name, report in reports.items()]
    show("Distinct minima within 20 kcal/mol", ("search", *columns), rows)
    own = reports["pesx"]
    shares = [
        *own["time_shares"].items(),
        ("occupancy", own["occupancy"]),
        ("in steady state", own["occupancy_steady"]),
    ]
    show("pesx: shares of the time, and of the slots that were busy", ("what", "share"), shares)
    write(arguments.out, settings=plain_settings(arguments), results={"model": source.digest, "searches": reports})


if __name__ == "__main__":
    main(parse())
