"""``pesx novelty``: which minima of a run the training data do not imply."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from pesx.analysis.novelty import TABLE, NoveltySummary, novelty
from pesx.cli.streams import clean_stdout, put, say
from pesx.cli.train import load_labels
from pesx.errors import ConfigError
from pesx.threads import one_thread_each
from pesx.training.dataset import merge


def run(arguments: Namespace) -> int:
    """Quench the frames, write the table, show the counts, and return the exit code."""
    if arguments.frames is not None and arguments.frames < 1:
        raise ConfigError(f"Expected --frames of at least 1; came {arguments.frames}. Leave it out for all frames.")
    folder = Path(arguments.run)
    with clean_stdout(), one_thread_each(), _bar() as on_progress:
        _, summary = novelty(
            folder,
            merge([load_labels(path, arguments.level) for path in arguments.data]),
            model=arguments.model,
            device=arguments.device,
            level=arguments.verified_at,
            n_frames=arguments.frames,
            seed=arguments.seed,
            on_progress=on_progress,
        )
    put(json.dumps(summary.as_json()) if arguments.json else _text(summary))
    say(f"Wrote {folder / TABLE}.")
    return 0


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show a bar from the first report of progress on; a wrong call, which ends before that, shows none."""
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True))
    bar = progress.add_task("frames", total=None)

    def note(done: int, total: int) -> None:
        progress.start()
        progress.update(bar, completed=done, total=total)

    try:
        yield note
    finally:
        if progress.live.is_started:
            progress.stop()


def _text(summary: NoveltySummary) -> str:
    difference, lower, upper = summary.new.minus(summary.known)
    rows = [
        ("frames quenched", f"{summary.n_frames}, of which {summary.n_frames_in_minima} ended in a minimum"),
        ("minima they imply", f"{summary.n_implied} in the energy window, {summary.n_implied_anywhere} in all"),
        ("minima found", f"{summary.n_found} in the energy window"),
        ("known", str(summary.n_known)),
        ("new", str(summary.n_new)),
    ]
    if summary.level:
        rows += [
            (f"known that survive at {summary.level}", str(summary.known)),
            (f"new that survive at {summary.level}", str(summary.new)),
        ]
    if summary.new.total and summary.known.total:
        rows.append(("difference", f"{100 * difference:+.0f} ({100 * lower:+.0f} to {100 * upper:+.0f}) points"))
    units = {"torsion_distance": "degree", "rmsd_distance": "Å", "feature_distance": "", "uncertainty": "kcal/mol"}
    for name, unit in {**units, "energy_error": "kcal/mol"}.items():
        known, new = (summary.medians[kind][name] for kind in ("known", "new"))
        if known is not None or new is not None:
            label = f"median {'absolute ' * (name == 'energy_error')}{name.replace('_', ' ')}"
            rows.append((label, f"known {_number(known)}, new {_number(new)} {unit}"))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(width=120, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
