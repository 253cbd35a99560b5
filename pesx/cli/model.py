"""``pesx model``: bring in models of other programs, hand models out to them, and say what is in a model file."""

import io
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pesx.cli.streams import clean_stdout, put, say
from pesx.cli.train import load_labels
from pesx.errors import ConfigError
from pesx.interfaces import export
from pesx.so3krates import checkpoint
from pesx.so3krates.checkpoint import Card
from pesx.so3krates.model import So3krates
from pesx.so3krates.so3lr import import_so3lr
from pesx.training.calibrate import calibrate, judge
from pesx.training.card import with_uncertainty
from pesx.training.dataset import merge

IMPORTERS: dict[str, Callable[[str], tuple[So3krates, Card]]] = {"so3lr": import_so3lr}
"""Importers by the name of what they import."""

HELD_OUT = "held_out"
"""Name, in the card, of the frames on which an uncertainty was calibrated."""

_WIDTH = 120


def run(arguments: Namespace) -> int:
    """Import, export, calibrate or describe, and return the exit code."""
    if arguments.action == "import":
        _import(arguments.kind, arguments.path, arguments.out)
        if arguments.json:
            put(json.dumps(checkpoint.describe(arguments.out)))
        return 0
    if arguments.action == "export":
        _export(arguments)
        return 0
    if arguments.action == "calibrate":
        _calibrate(arguments)
        return 0
    facts = checkpoint.describe(arguments.file)
    put(json.dumps(facts) if arguments.json else _text(facts))
    return 0


def _import(kind: str, path: str, out: str) -> None:
    if kind not in IMPORTERS:
        raise ConfigError(f"Expected a kind of model out of {', '.join(IMPORTERS)}; came {kind!r}.")
    _check_folder(out)
    model, card = IMPORTERS[kind](path)
    checkpoint.save(out, model, card)
    say(f"Wrote {out}: {card['name']}, elements {', '.join(map(str, card['elements']))}. Please cite {card['source']}.")


def _export(arguments: Namespace) -> None:
    _check_folder(arguments.out)
    model, card = checkpoint.load(arguments.file)
    facts = export.write(arguments.out, model, card, dtype=arguments.dtype, device=arguments.device)
    say(f"Wrote {arguments.out}: takes {', '.join(facts['inputs'])}; gives {', '.join(facts['outputs'])}.")
    if arguments.json:
        put(json.dumps(facts))


def _calibrate(arguments: Namespace) -> None:
    _check_folder(arguments.out)
    model, card = checkpoint.load(arguments.file)
    tests = {Path(path).stem: path for path in arguments.test}
    if len(tests) < len(arguments.test) or HELD_OUT in tests:
        raise ConfigError(f"Expected files of different names for --test, none named {HELD_OUT}. Rename one.")
    with clean_stdout():
        data, held_out = (
            merge([load_labels(path, arguments.level) for path in paths])
            for paths in (arguments.data, arguments.held_out)
        )
        unseen = {name: load_labels(path, arguments.level) for name, path in tests.items()}
        model.uncertainty = calibrate(model, data, held_out)
        measured = {
            name: judge(model, model.uncertainty, labels) for name, labels in {HELD_OUT: held_out, **unseen}.items()
        }
    card = with_uncertainty(card, model.uncertainty, data=data, held_out=held_out, measured=measured)
    checkpoint.save(arguments.out, model, card)
    for name, found in measured.items():
        say(
            f"{name}: rank correlation of uncertainty and error {found.rank_correlation:.2f}; "
            f"{found.within_one_sigma:.0%} of {found.n_frames} errors within one sigma, {found.within_two_sigma:.0%} within "
            f"two; error {found.energy_rmse:.2f}, sigma {found.sigma_rms:.2f} kcal/mol."
        )
    say(f"Wrote {arguments.out}.")
    if arguments.json:
        put(json.dumps(card["uncertainty"]))


def _check_folder(out: str) -> None:
    if not Path(out).parent.is_dir():
        raise ConfigError(f"--out: expected a file in a folder that exists; came {out!r}. Make the folder first.")


def _text(facts: dict[str, Any]) -> str:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in facts.items():
        for number, (name, item) in enumerate(value.items() if isinstance(value, dict) else [("", value)]):
            label = key if number == 0 else ""
            content = item if isinstance(item, str) else json.dumps(item)
            table.add_row(label, f"{name}: {content}" if name else content)
    out = io.StringIO()
    Console(file=out, width=_WIDTH, markup=False, highlight=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
