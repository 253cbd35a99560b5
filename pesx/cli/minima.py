"""``pesx minima``: list what a run has found, also while it goes on."""

import io
import json
import shutil
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pesx.cli.amounts import read_energy
from pesx.cli.findings import Listing
from pesx.cli.streams import put
from pesx.errors import ConfigError, InputError
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.settings import read_settings
from pesx.so3krates import checkpoint

_PIPE_WIDTH = 200
"""Columns where there is no terminal to ask."""


def run(arguments: Namespace) -> int:
    """List the minima, and return the exit code."""
    if arguments.n is not None and arguments.n < 1:
        raise ConfigError(f"Expected -n of at least 1; came {arguments.n}. Leave it out for all minima.")
    folder = Path(arguments.run)
    if arguments.model is not None and not arguments.uncertainty:
        raise ConfigError(f"Expected --model beside --uncertainty only; came {arguments.model!r}. Leave it out.")
    with RunStore.read(folder) as store, store.snapshot():
        minima, reduced = store.minima(), store.energy_unit != "eV"
        molecule, digest = store.molecule, store.meta.get("model", "")
    settings = read_settings(folder)
    window = settings.energy_window
    if arguments.window is not None:
        window = read_energy(arguments.window, is_reduced=reduced, name="--window")
    listing = Listing.of(minima, window=window, is_reduced=reduced)
    if arguments.uncertainty:
        potential = _model_of_the_run(arguments.model or settings.model, molecule, digest)
        positions = minima.positions[listing.rows[: arguments.n]]
        listing = replace(listing, uncertainty=potential.uncertainty(positions, positions[:1]).tolist())
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


def _model_of_the_run(path: str | None, molecule: Molecule, digest: str) -> LearnedPotential:
    """Return the potential that found the minima, from a file that may have been calibrated since."""
    if not digest:
        raise ConfigError(
            "Expected a run with a model for --uncertainty; came one with another potential. Leave it out."
        )
    network, _ = checkpoint.load(path)
    came = checkpoint.model_hash(network)
    if came != digest:
        raise InputError(
            f"Expected the model that the run was made with ({digest[:12]}); came one with the hash {came[:12]}. Give that "
            "model, calibrated, with --model."
        )
    return LearnedPotential(network, molecule.numbers, charge=molecule.charge, multiplicity=molecule.multiplicity)


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
