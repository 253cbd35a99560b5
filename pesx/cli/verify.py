"""``pesx verify``: relax minima of a run with a reference engine, and say how many survive it."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from pesx.analysis.novelty import read_new
from pesx.cli.streams import clean_stdout, put, say
from pesx.engines.make import make_engine
from pesx.errors import ConfigError
from pesx.landscape.records import StoredMinima
from pesx.landscape.store import RunStore
from pesx.settings import read_settings
from pesx.verification.relaxation import Relaxation
from pesx.verification.verify import Summary, open_minima, summarise, verify


def run(arguments: Namespace) -> int:
    """Relax what is not done yet, show what came of all that was asked for, and return the exit code."""
    folder = Path(arguments.run)
    _refuse_what_does_not_fit(arguments)
    settings = Relaxation(fmax=arguments.fmax, max_steps=arguments.max_steps)
    engine = make_engine(arguments.engine, arguments.level)
    with RunStore.resume(folder) as store:
        _require_bonds(store)
        minima, mirror = store.minima(), read_settings(folder).mirror
        numbers = chosen(arguments, minima, folder)
        waiting = numbers if arguments.again else open_minima(store, numbers, engine.level)
        if len(waiting) < len(numbers):
            say(f"{len(numbers) - len(waiting)} of {len(numbers)} minima are done already.")
        columns = (TextColumn("minima"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with clean_stdout(), Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("minima", total=len(waiting))
            failures = verify(
                store,
                waiting,
                engine,
                settings=settings,
                mirror=mirror,
                n_workers=arguments.workers,
                on_done=lambda _: progress.advance(bar),
            )
        verified = store.verifications()
    for number, reason in failures.items():
        say(f"Minimum {number}, to be tried again: {reason}")
    is_asked = np.isin(verified.minimum, numbers)
    summary = summarise(verified, minima.energy.numpy(), engine.level, rows=is_asked)
    if arguments.json:
        put(json.dumps({**summary.as_json(), "failed": sorted(failures)}))
    else:
        put(_text(summary))
    return 1 if failures and not summary.all_atoms.total else 0


def chosen(arguments: Namespace, minima: StoredMinima, folder: Path) -> list[int]:
    """Return the numbers of the minima that the flags name, in the order in which they are done.

    Raises:
        ConfigError: A number is not one of a minimum, or there is nothing to choose from.
    """
    if arguments.minima is not None:
        return _numbers(arguments.minima, len(minima))
    numbers = np.arange(len(minima))
    if arguments.new or arguments.known:
        is_new = read_new(folder)
        numbers = np.array([number for number, new in sorted(is_new.items()) if new == arguments.new], dtype=np.int64)
    if not len(numbers):
        kind = "new " if arguments.new else "known " if arguments.known else ""
        raise ConfigError(f"Expected {kind}minima in {folder}; there are none. Leave the flag out, or explore on.")
    if arguments.lowest is not None:
        numbers = numbers[np.argsort(minima.energy.numpy()[numbers], kind="stable")][: arguments.lowest]
    if arguments.sample is not None:
        # A permutation, so that a larger sample of the same minima holds the smaller one.
        numbers = np.random.default_rng(arguments.seed).permutation(numbers)[: arguments.sample]
    chosen_numbers: list[int] = numbers.tolist()
    return chosen_numbers


def _numbers(text: str, n_minima: int) -> list[int]:
    try:
        numbers = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise ConfigError(f"Expected --minima with numbers such as 3,17,20; came {text!r}. Correct it.") from error
    strange = [number for number in numbers if not 0 <= number < n_minima]
    if strange:
        raise ConfigError(
            f"Expected --minima out of the {n_minima} of the run, numbered from 0; came {strange[0]}. See pesx minima."
        )
    return numbers


def _refuse_what_does_not_fit(arguments: Namespace) -> None:
    for name in ("workers", "sample", "lowest"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ConfigError(f"Expected --{name} of at least 1; came {value}. Ask for one or more.")
    for group in (("minima", "new", "known"), ("minima", "sample", "lowest")):
        given = [f"--{name}" for name in group if getattr(arguments, name) not in (None, False)]
        if len(given) > 1:
            raise ConfigError(f"Expected one of {', '.join(given)}; came {len(given)}. Leave the others out.")


def _require_bonds(store: RunStore) -> None:
    if store.energy_unit != "eV" or not len(store.molecule.bonds):
        raise ConfigError(
            f"Expected a run of a molecule with bonds; came one of {store.molecule.formula} without. A reference engine has "
            "nothing to say about it."
        )


def _text(summary: Summary) -> str:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for name, value in (
        ("level of theory", summary.level),
        ("minima relaxed", str(summary.all_atoms.total)),
        ("within 0.3 Å, all atoms", str(summary.all_atoms)),
        ("within 0.3 Å, heavy atoms", str(summary.heavy_atoms)),
        ("not converged", str(summary.not_converged)),
        ("changed chemistry", str(summary.changed_chemistry)),
        ("median RMSD, all atoms", _with(summary.median_rmsd, "Å")),
        ("median RMSD, heavy atoms", _with(summary.median_heavy_rmsd, "Å")),
        ("error of relative energies, unrelaxed", _with(summary.error_unrelaxed, "kcal/mol")),
        ("error, relaxed, same chemistry", _with(summary.error_kept, "kcal/mol")),
        ("error, relaxed, within 0.3 Å", _with(summary.error_stayed, "kcal/mol")),
        ("calls of the engine", str(summary.n_evaluations)),
    ):
        table.add_row(name, value)
    console = Console(width=120, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _with(value: float | None, unit: str) -> str:
    return "none" if value is None else f"{value:.3f} {unit}"
