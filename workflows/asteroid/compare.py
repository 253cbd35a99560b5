"""Compare multi-fidelity recipes: errors against the number of accurate frames, as a table and a figure.

    python workflows/asteroid/compare.py workflows/asteroid/ethanol.toml --data DATA --out RUNS

A comparison that was stopped goes on with the same command. What is finished is not trained again.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from cells import Data, Place, is_finished, read_data, results, run_cell
from comparison import Cell, Comparison, read_comparison

from pesx.analysis import draw_learning_curves, learning_curves, learning_table
from pesx.errors import ConfigError, InputError, PesxError, WrongFolderError

COMPARISON = "comparison.json"
RESULTS = "results.jsonl"

QUANTITIES = {
    "force_mae": "force error (meV/Å)",
    "energy_mae": "energy error (kcal/mol)",
}
"""What is drawn: mean absolute errors of force components, and of energies after their mean error was removed."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for, write table and figure, and return the exit code."""
    given = _parser().parse_args(words)
    try:
        place = Place(read_comparison(given.comparison), given.data, given.out)
        chosen = choose(place.comparison, given.only)
        claim(place)
        failed = 0 if given.report else train(place, chosen, workers=given.workers)
        report(place, title=given.comparison.stem)
    except PesxError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path, help="TOML file that says what is compared")
    parser.add_argument("--data", type=Path, required=True, help="folder from which its paths start")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings, the table and the figure")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time (1)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="RECIPE/SIZE/SEED", help="some cells, such as 'delta/*/0'"
    )
    parser.add_argument("--report", action="store_true", help="table and figure of what is there, without any training")
    return parser


def choose(comparison: Comparison, patterns: Sequence[str]) -> list[Cell]:
    """Return the cells whose names match one of the patterns; all if there is none.

    Raises:
        ConfigError: A pattern matches nothing.
    """
    cells = comparison.cells()
    for pattern in patterns:
        if not any(fnmatch(str(cell), pattern) for cell in cells):
            raise ConfigError(
                f"Expected --only to match cells such as {cells[0]}; {pattern!r} matches none. Correct it."
            )
    return [cell for cell in cells if not patterns or any(fnmatch(str(cell), pattern) for pattern in patterns)]


def claim(place: Place) -> None:
    """Make the folder one of this comparison.

    Raises:
        WrongFolderError: It is that of another one, whose results must not come into the same table.
    """
    path = place.out / COMPARISON
    wanted = json.loads(json.dumps(place.comparison.fixed()))
    if not path.exists():
        place.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    if changed:
        raise WrongFolderError(
            f"Expected the comparison that {place.out} was begun with; came one with another {', '.join(changed)}. "
            "Give the same settings, or another --out."
        )


def train(place: Place, cells: Sequence[Cell], *, workers: int = 1) -> int:
    """Run the cells that are not finished, add their results to ``results.jsonl``, and return how many failed.

    A cell that fails, because its training diverges for instance, does not stop the others.
    """
    waiting = [cell for cell in cells if not is_finished(place, cell)]
    print(f"{len(waiting)} of {len(cells)} cells are to be trained.", file=sys.stderr, flush=True)
    if not waiting:
        return 0
    data, failed = read_data(place), 0
    for cell, outcome in _outcomes(place, data, waiting, workers):
        if isinstance(outcome, PesxError):
            failed += 1
            print(f"{cell} failed. {type(outcome).__name__}: {outcome}", file=sys.stderr, flush=True)
            continue
        with (place.out / RESULTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")
        print(f"{cell}: " + said(outcome), file=sys.stderr, flush=True)
    return failed


def said(result: dict[str, Any]) -> str:
    """Return the errors of a result for people."""
    known = [f"{label} {result[name]:.4g}" for name, label in QUANTITIES.items() if result[name] is not None]
    return ", ".join(known)


def _outcomes(
    place: Place, data: Data, cells: Sequence[Cell], workers: int
) -> Iterator[tuple[Cell, dict[str, Any] | PesxError]]:
    """Run cells, several at a time but none beside another that trains a stage which both have in common."""
    if workers == 1:
        for cell in cells:
            yield cell, _attempt(place, data, cell)
        return
    waiting, running = list(cells), dict[Future[dict[str, Any] | PesxError], Cell]()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        while waiting or running:
            while len(running) < workers and (cell := next_free(place, waiting, list(running.values()))) is not None:
                waiting.remove(cell)
                running[pool.submit(_attempt, place, data, cell)] = cell
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(done), done.result()


def _attempt(place: Place, data: Data, cell: Cell) -> dict[str, Any] | PesxError:
    try:
        return run_cell(place, data, cell)
    except PesxError as error:
        return error


def next_free(place: Place, waiting: Sequence[Cell], running: Sequence[Cell]) -> Cell | None:
    """Return the first cell whose unfinished common stages are not being trained; None if there is none."""
    busy = {folder for cell in running for folder in place.unfinished(cell)}
    return next((cell for cell in waiting if not busy & place.unfinished(cell)), None)


def report(place: Place, *, title: str) -> None:
    """Write ``results.jsonl``, ``table.md`` and the figure from the results of all finished cells.

    Raises:
        PesxError: Not one cell is finished.
    """
    found = results(place)
    lines = "".join(json.dumps(result) + "\n" for result in found)
    (place.out / RESULTS).write_text(lines, encoding="utf-8")
    panels = {label: learning_curves(found, name) for name, label in QUANTITIES.items()}
    panels = {label: curves for label, curves in panels.items() if curves}
    if not panels:
        raise InputError(f"Expected finished cells in {place.out}; there are none yet. Train some.")
    parts = [
        f"# {title}\n\nColumns: accurate frames, those that choose the weights among them. In parentheses: 95 % interval.\n"
    ]
    parts += [f"\n## {label[0].upper()}{label[1:]}\n\n{learning_table(curves)}" for label, curves in panels.items()]
    (place.out / "table.md").write_text("".join(parts), encoding="utf-8")
    for ending in ("svg", "png"):
        draw_learning_curves(panels, place.out / f"learning_curves.{ending}", title=title)
    print("".join(parts))


if __name__ == "__main__":
    sys.exit(main())
