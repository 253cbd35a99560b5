"""``pesx minima``: list what a run has found, also while it goes on."""

import io
import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from pesx.cli.amounts import read_energy
from pesx.cli.report import Listing
from pesx.cli.streams import put
from pesx.errors import ConfigError
from pesx.landscape.store import RunStore
from pesx.settings import read_settings

_PIPE_WIDTH = 200
"""Columns where there is no terminal to ask."""


def run(arguments: Namespace) -> int:
    """List the minima, and return the exit code."""
    if arguments.n is not None and arguments.n < 1:
        raise ConfigError(f"Expected -n of at least 1; came {arguments.n}. Leave it out for all minima.")
    folder = Path(arguments.run)
    with RunStore.read(folder) as store, store.snapshot():
        minima, reduced = store.minima(), store.energy_unit != "eV"
    window = read_settings(folder).energy_window
    if arguments.window is not None:
        window = read_energy(arguments.window, is_reduced=reduced, name="--window")
    listing = Listing.of(minima, window=window, is_reduced=reduced)
    if arguments.json:
        unit = "reduced" if reduced else "eV"
        content = {
            "folder": str(folder),
            "unit": unit,
            "relative_unit": "reduced" if reduced else "kcal/mol",
            "n_minima": len(listing.rows),
            "minima": listing.records(arguments.n),
        }
        put(json.dumps(content, allow_nan=False))
        return 0
    put(_text(listing, arguments.n))
    return 0


def _text(listing: Listing, n: int | None) -> str:
    if not listing.rows:
        return "No minima yet."
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH
    out = io.StringIO()
    console = Console(file=out, width=width, markup=False, highlight=False, emoji=False)
    console.print(listing.table(n))
    shown = len(listing.rows) if n is None else min(n, len(listing.rows))
    console.print(f"{shown} of {len(listing.rows)} minima in the energy window, {len(listing.minima)} stored.")
    return out.getvalue().rstrip("\n")
