"""``pesx explore``: start or resume a run, show how it goes, and say what it brought."""

import json
import re
import shlex
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from pesx.chemistry.read import existing, read_molecule
from pesx.cli.amounts import read_energy, read_time
from pesx.cli.display import Display
from pesx.cli.findings import Listing, Report
from pesx.cli.interrupts import interrupts
from pesx.cli.streams import clean_stdout, put, say
from pesx.config import from_table, read_toml
from pesx.errors import InputError
from pesx.explore.exploration import INTERRUPTED
from pesx.explore.stop import Reason
from pesx.landscape.store import RunStore
from pesx.registry import REDUCED
from pesx.run import Run
from pesx.settings import ExploreSettings, is_reduced, read_settings

RUNS = Path("runs")
"""Where runs go that were given no folder."""

_LONGEST_NAME = 80
"""Characters; file systems take 255."""

_FLAGS = {
    "n_minima": "--n-minima {}",
    "max_evaluations": "--max-evaluations {}",
    "max_quenches": "--max-quenches {}",
    "max_seconds": "--max-time {}s",
    "patience": "--patience {}",
}
"""How the limits of a search are given."""

_LOG_WIDTH = 120
_STOPPING = "stopping after the round under way; once more stops at once."


def run(arguments: Namespace) -> int:
    """Explore as asked, and return the exit code."""
    with clean_stdout():
        report, signals = _explore(arguments)
    if arguments.json:
        put(json.dumps(report.as_json(), allow_nan=False))
    return 128 + signals[0] if report.reason == INTERRUPTED and signals else 0


def _explore(arguments: Namespace) -> tuple[Report, list[int]]:
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    with _opened(arguments) as search, (search.folder / "log.txt").open("a", encoding="utf-8") as log:
        arguments.out = str(search.folder)
        heading = _heading(search)
        console.print(heading, soft_wrap=True)
        log.write(heading + "\n")
        settings = search.settings
        display = Display(settings.stop, is_reduced=is_reduced(settings), console=console, log=log)
        try:
            with interrupts(search.exploration.interrupt, _STOPPING) as signals, display:
                reason = search.go(display)
        except KeyboardInterrupt:
            say(f"pesx: go on with: {_onward(search)}")
            raise
        report = _report(search, reason)
        for out in (console, Console(file=log, width=_LOG_WIDTH, markup=False, highlight=False, emoji=False)):
            report.show(out)
    return report, signals


def _opened(arguments: Namespace) -> Run:
    """Return the run that was asked for, set up and ready to go."""
    asked = _asked(arguments)
    if arguments.resume:
        if "out" not in arguments:
            raise InputError("Expected --out RUN beside --resume; came none. Name the folder of the run to go on with.")
        return _resumed(asked, Path(arguments.out))
    if "molecule" not in asked:
        raise InputError(
            "Expected --molecule with a structure file, a SMILES or a name such as LJ13; came none. Name a molecule."
        )
    settings = from_table(
        ExploreSettings, _in_units(asked, is_reduced=asked.get("potential", ExploreSettings.potential) in REDUCED)
    )
    if "out" in arguments:
        return Run.start(settings, arguments.out)
    is_first = not RUNS.exists()
    folder = _fresh_folder(settings)
    try:
        return Run.start(settings, folder)
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
            if is_first:
                RUNS.rmdir()
        raise


def _asked(arguments: Namespace) -> dict[str, Any]:
    """Return the settings of the file, if any, and over them those of the flags."""
    known = {item.name for item in fields(ExploreSettings)}
    table = read_toml(arguments.config) if "config" in arguments else {}
    return table | {name: value for name, value in vars(arguments).items() if name in known}


def _in_units(asked: dict[str, Any], *, is_reduced: bool) -> dict[str, Any]:
    """Replace texts of energies and times by their numbers."""
    table = dict(asked)
    if isinstance(table.get("energy_window"), str):
        table["energy_window"] = read_energy(table["energy_window"], is_reduced=is_reduced)
    if isinstance(table.get("max_time"), str):
        table["max_time"] = read_time(table["max_time"])
    return table


def _resumed(asked: dict[str, Any], folder: Path) -> Run:
    """Go on with a run, with other limits where asked."""
    RunStore.resume(folder).close()  # whatever is wrong with the folder is said before anything about settings
    stored = read_settings(folder)
    table = _in_units(asked, is_reduced=is_reduced(stored))
    wanted = from_table(ExploreSettings, table, base=stored)
    molecule = None
    if wanted.molecule != stored.molecule:
        molecule = read_molecule(wanted.molecule, charge=wanted.charge, multiplicity=wanted.multiplicity)
    table.pop("molecule", None)
    return Run.resume(folder, molecule=molecule, **table)


def _fresh_folder(settings: ExploreSettings) -> Path:
    """Make a folder with a readable name and the first free number, and return it."""
    path = existing(settings.molecule)
    if path is not None:
        name = path.stem
    else:
        molecule = read_molecule(settings.molecule, charge=settings.charge, multiplicity=settings.multiplicity)
        name = molecule.formula if len(molecule.bonds) else molecule.name
    name = re.sub(r"[^\w.-]+", "-", name)[:_LONGEST_NAME].strip("-.") or "run"
    number = 1
    while True:
        folder = RUNS / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def _heading(search: Run) -> str:
    sizes, molecule, source = search.exploration.sizes, search.molecule, search.source
    name = molecule.formula if len(molecule.bonds) else molecule.name
    digest = f", model {source.digest[:12]}" if source.digest else ""
    return (
        f"Exploring {name} ({molecule.n_atoms} atoms) with {source.name} ({source.level}{digest}), "
        f"{search.settings.method}, {sizes.n_slots} replicas on {sizes.device}, seed {search.settings.seed}; "
        f"run folder {search.folder}"
    )


def _onward(search: Run, met: Sequence[Reason] = ()) -> str:
    """Return the command that goes on with the run, every limit that is met raised."""
    flags = [_FLAGS[reason.limit].format(reason.higher) for reason in met]
    return " ".join(["pesx explore --resume --out", shlex.quote(str(search.folder)), *flags])


def _report(search: Run, reason: str) -> Report:
    settings, progress = search.settings, search.exploration.progress()
    with RunStore.read(search.folder) as store:
        minima, reduced = store.minima(), store.energy_unit != "eV"
    return Report(
        reason=reason,
        folder=str(search.folder),
        onward=_onward(search, settings.stop.met(progress)),
        progress=progress,
        listing=Listing.of(minima, window=settings.energy_window, is_reduced=reduced),
    )
