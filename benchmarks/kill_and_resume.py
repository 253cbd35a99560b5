"""Does a search that is killed at random moments and resumed find what an undisturbed one finds?

    python benchmarks/kill_and_resume.py

Explores a peptide in float64 through the command line, once undisturbed and once killed (SIGKILL) at random moments and
resumed each time. Compares both databases row by row and bit by bit, asks SQLite for an integrity check after every kill, and
looks whether every minimum and quench seen before a kill is there after it.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import make_parser, plain_settings, show, write

from pesx import RunStore
from pesx.errors import PesxError


def command(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Return the command line that begins the search, or goes on with it."""
    begin = [sys.executable, "-m", "pesx", "explore", "--out", str(folder)]
    if folder.exists():
        return [*begin, "--resume"]
    settings = {
        "--molecule": arguments.molecule,
        "--n-minima": arguments.minima,
        "--seed": arguments.seed,
        "--precision": "float64",
        "--device": "cpu",
        "--replicas": arguments.replicas,
    }
    return [*begin, *(str(word) for pair in settings.items() for word in pair)]


def explore(arguments: argparse.Namespace, folder: Path) -> subprocess.Popen[bytes]:
    """Start the search in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(arguments, folder), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def contents(folder: Path) -> dict[str, NDArray[Any]]:
    """Return what a run has stored: columns of minima and of quenches."""
    try:
        with RunStore.read(folder) as store:
            tables = {"minima": store.minima(), "quenches": store.quenches()}
    except PesxError:
        return {}
    columns = {f"{table}.{name}": value for table, rows in tables.items() for name, value in vars(rows).items()}
    arrays = {name: np.asarray(value) for name, value in columns.items()}
    return {name: array.astype(str) if array.dtype == object else array for name, array in arrays.items()}


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether all bits are the same; NaN equals NaN."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def damage(folder: Path) -> list[str]:
    """Return what SQLite and our own check have to say about the database."""
    with RunStore.read(folder) as store:
        return store.check()


def lost(before: dict[str, NDArray[Any]], after: dict[str, NDArray[Any]]) -> list[str]:
    """Return the columns whose rows before a kill are not the first rows after it; visit counts may grow."""
    growing = {"minima.visits"}
    return [
        name
        for name, rows in before.items()
        if name not in growing and not same(after[name][: len(rows)].astype(rows.dtype), rows)
    ]


def main(arguments: argparse.Namespace) -> None:
    """Search twice, disturb one of them, compare."""
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        whole, killed = Path(place) / "whole", Path(place) / "killed"
        begin = time.monotonic()
        if explore(arguments, whole).wait():
            raise SystemExit("The undisturbed search failed.")
        seconds = time.monotonic() - begin
        kills: list[dict[str, Any]] = []
        for share in sorted(draw.uniform(0.25, 0.9) for _ in range(arguments.kills)):
            # Moments are drawn in quenches: starting up takes time that is not the search's.
            target = int(share * len(contents(whole)["quenches.energy"]))
            process = explore(arguments, killed)
            while len(contents(killed).get("quenches.energy", ())) < target and process.poll() is None:
                time.sleep(0.05)
            time.sleep(draw.uniform(0.0, 2.0))
            process.send_signal(signal.SIGKILL)
            code = process.wait()
            before = contents(killed)
            kills.append(
                {
                    "quenches": len(before["quenches.energy"]),
                    "minima": len(before["minima.energy"]),
                    "was_running": code == -signal.SIGKILL,
                    "damage": damage(killed),
                    "before": before,
                }
            )
        if explore(arguments, killed).wait():
            raise SystemExit("The resumed search failed.")
        after, straight = contents(killed), contents(whole)
        for kill in kills:
            kill["lost"] = lost(kill.pop("before"), after)
        results = {
            "seconds": seconds,
            "minima": len(straight["minima.energy"]),
            "quenches": len(straight["quenches.energy"]),
            "kills": kills,
            "columns_that_differ": [name for name in straight if not same(after[name], straight[name])],
            "damage": damage(killed),
        }
    columns = ("quenches", "minima", "was_running", "lost", "damage")
    show("Kills", columns, [[str(kill[name]) for name in columns] for kill in kills])
    show(
        "Resumed beside undisturbed",
        ("what", "value"),
        [(name, str(results[name])) for name in results if name != "kills"],
    )
    write(arguments.out, settings=plain_settings(arguments), results=results)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, "kill_and_resume.json")
    parser.add_argument("--molecule", default="CC(=O)N[C@@H](C)C(=O)NC", help="file or SMILES (default Ac-Ala-NHMe)")
    parser.add_argument("--minima", type=int, default=8, help="to stop at (default 8)")
    parser.add_argument("--replicas", type=int, default=8, help="in one batch (default 8)")
    parser.add_argument("--kills", type=int, default=3, help="at random moments (default 3)")
    return parser.parse_args(words)


if __name__ == "__main__":
    main(parse())
