"""Does a long search grow in memory by more than the minima it keeps?

    python benchmarks/memory.py

Explores LJ13 for 20,000 quenches, reads the resident memory every 500, and fits a line to all readings after the first
5,000 quenches. What the archive holds for its minima is fitted the same way and subtracted. Memory counts as flat if the
rest would add less than two percent over as many quenches as the whole search.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from report import make_parser, plain_settings, set_threads, show, write

from pesx import ExploreSettings, Run
from pesx.explore.stop import Progress

MEGABYTE = 2**20
FLAT_BELOW = 0.02
NO_LIMIT = 10**9


def resident() -> int:
    """Return the resident memory of this process, bytes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def bytes_per_minimum(run: Run) -> int:
    """Return what the archive holds for one minimum: structure, fingerprint, energy twice, and three numbers."""
    positions = run.molecule.positions[None]
    fingerprint = run.exploration.archive.identity.fingerprint(positions)
    return positions.nbytes + fingerprint.nbytes + 5 * 8


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the readings: quenches, resident bytes, minima in the archive; and the size of a minimum."""
    settings = ExploreSettings(
        molecule=arguments.cluster,
        potential="lennard-jones",
        mirror="merge",
        n_minima=NO_LIMIT,
        replicas=arguments.replicas,
        max_quenches=arguments.quenches,
        patience=NO_LIMIT,
        seed=arguments.seed,
        device="cpu",
    )
    readings: list[tuple[int, int, int]] = []

    def observe(progress: Progress) -> None:
        if progress.n_quenches >= (len(readings) + 1) * arguments.every:
            readings.append((progress.n_quenches, resident(), progress.n_stored))

    with tempfile.TemporaryDirectory() as place, Run.start(settings, Path(place) / "run") as run:
        run.go(observe)
        return {"readings": readings, "bytes_per_minimum": bytes_per_minimum(run)}


def judge(measured: dict[str, Any], *, skip: int, total: int) -> dict[str, Any]:
    """Return slopes in bytes per quench after the first ``skip`` quenches, and the verdict.

    Args:
        measured: See :func:`measure`.
        skip: Quenches left out of the fit.
        total: Quenches over which the growth is told.
    """
    readings = np.array(measured["readings"], dtype=float)
    late = readings[readings[:, 0] >= skip]
    slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0])
    of_archive = float(np.polyfit(late[:, 0], late[:, 2], 1)[0]) * measured["bytes_per_minimum"]
    share = (slope - of_archive) * total / float(late[0, 1])
    return {
        "bytes_per_quench": slope,
        "bytes_per_quench_of_archive": of_archive,
        "resident_at_start_mb": float(late[0, 1]) / MEGABYTE,
        "resident_at_end_mb": float(late[-1, 1]) / MEGABYTE,
        "share_added_over_all_quenches": share,
        "is_flat": share < FLAT_BELOW,
    }


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, "memory.json")
    parser.add_argument("--cluster", default="LJ13", help="what is explored (default LJ13)")
    parser.add_argument("--quenches", type=int, default=20_000)
    parser.add_argument("--skip", type=int, default=5_000, help="quenches left out of the fit (default 5000)")
    parser.add_argument("--every", type=int, default=500, help="quenches between readings (default 500)")
    parser.add_argument("--replicas", type=int, default=256, help="in one batch (default 256)")
    arguments = parser.parse_args(words)
    if arguments.skip + 3 * arguments.every > arguments.quenches:
        parser.error("expected at least three readings after --skip; lower --skip or --every")
    return arguments


def main(arguments: argparse.Namespace) -> None:
    """Measure, show and write."""
    set_threads(arguments.threads)
    measured = measure(arguments)
    verdict = judge(measured, skip=arguments.skip, total=arguments.quenches)
    readings = [(quenches, size / MEGABYTE, minima) for quenches, size, minima in measured["readings"]]
    show("Resident memory", ("quenches", "MB", "minima"), readings)
    show("Verdict", ("what", "value"), list(verdict.items()))
    write(arguments.out, settings=plain_settings(arguments), results={**verdict, **measured})


if __name__ == "__main__":
    main(parse())
