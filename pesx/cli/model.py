"""``pesx model``: bring in models of other programs, hand models out to them, and say what is in a model file."""

import io
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pesx.cli.streams import put, say
from pesx.errors import ConfigError
from pesx.interfaces import export
from pesx.so3krates import checkpoint
from pesx.so3krates.checkpoint import Card
from pesx.so3krates.model import So3krates
from pesx.so3krates.so3lr import import_so3lr

IMPORTERS: dict[str, Callable[[str], tuple[So3krates, Card]]] = {"so3lr": import_so3lr}
"""Importers by the name of what they import."""

_WIDTH = 120


def run(arguments: Namespace) -> int:
    """Import, export or describe, and return the exit code."""
    if arguments.action == "import":
        _import(arguments.kind, arguments.path, arguments.out)
        if arguments.json:
            put(json.dumps(checkpoint.describe(arguments.out)))
        return 0
    if arguments.action == "export":
        _export(arguments)
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
