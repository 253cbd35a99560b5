"""``pesx md``: start or resume dynamics, show how it goes, and say what came of it."""

import json
import shlex
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from pesx.cli.amounts import read_energy, read_time
from pesx.cli.display_of_dynamics import DynamicsDisplay
from pesx.cli.durations import read_duration, read_rate
from pesx.cli.interrupts import interrupts
from pesx.cli.streams import clean_stdout, put, say
from pesx.config import from_table, read_toml
from pesx.errors import InputError
from pesx.molecular_dynamics import DynamicsSettings, MolecularDynamics

_STOPPING = "stopping at the next frame; once more stops at once."
_FS_PER_PS = 1000.0


def run(arguments: Namespace) -> int:
    """Run the dynamics that was asked for, and return the exit code."""
    with clean_stdout():
        summary, signals = _run(arguments)
    if arguments.json:
        put(json.dumps(summary, allow_nan=False))
    return 128 + signals[0] if summary["status"] == "interrupted" and signals else 0


def _run(arguments: Namespace) -> tuple[dict[str, Any], list[int]]:
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    with _opened(arguments) as dynamics, (dynamics.folder / "log.txt").open("a", encoding="utf-8") as log:
        arguments.out = str(dynamics.folder)
        heading = _heading(dynamics)
        console.print(heading, soft_wrap=True)
        log.write(heading + "\n")
        log.flush()
        display = DynamicsDisplay(timestep=dynamics.settings.timestep, console=console, log=log)
        onward = f"pesx md --resume --out {shlex.quote(str(dynamics.folder))}"
        try:
            with interrupts(dynamics.simulation.interrupt, _STOPPING) as signals, display:
                status = dynamics.go(display)
        except (KeyboardInterrupt, OSError):
            say(f"pesx: go on with: {onward}")
            raise
        summary = summarise(dynamics, status)
        text = "\n".join([*lines(summary), *([f"Go on with: {onward}"] if status == "interrupted" else [])])
        console.print(text, soft_wrap=True)
        log.write(text + "\n")
    return summary, signals


def summarise(dynamics: MolecularDynamics, status: str) -> dict[str, Any]:
    """Return what came of it, ready for JSON."""
    replicas = dynamics.replicas()
    temperatures = []
    for temperature in dict.fromkeys(dynamics.settings.temperature):
        own = [row for row in replicas if row["temperature"] == temperature]
        causes = Counter(row["cause"] for row in own if "cause" in row)
        temperatures.append(
            {
                "temperature": temperature,
                "replicas": len(own),
                "failed": sum(causes.values()),
                "causes": dict(sorted(causes.items())),
                "simulated_ps": round(sum(row["time_ps"] for row in own), 6),
            }
        )
    return {
        "folder": str(dynamics.folder),
        "status": status,
        "time_ps": round(dynamics.simulation.time, 6),
        "temperatures": temperatures,
    }


def lines(summary: Mapping[str, Any]) -> list[str]:
    """Return a summary for people."""
    told = [f"Stopped at {summary['time_ps']:g} ps: {summary['status']}. Run folder {summary['folder']}."]
    for row in summary["temperatures"]:
        causes = ", ".join(f"{count} {name.replace('_', ' ').lower()}" for name, count in row["causes"].items())
        failed = f"{row['failed']} of {row['replicas']} replicas failed" + (f" ({causes})" if causes else "")
        told.append(f"{row['temperature']:g} K: {failed}; {row['simulated_ps']:g} ps in all.")
    return told


def _opened(arguments: Namespace) -> MolecularDynamics:
    """Return the run that was asked for, set up and ready to go."""
    asked = _asked(arguments)
    if "out" not in arguments:
        raise InputError("Expected --out RUN; came none. Name a folder for the run.")
    if arguments.resume:
        return MolecularDynamics.resume(arguments.out, **asked)
    if "molecule" not in asked:
        raise InputError("Expected --molecule with a structure file or a SMILES; came none. Name a molecule.")
    return MolecularDynamics.start(from_table(DynamicsSettings, asked), Path(arguments.out))


def _asked(arguments: Namespace) -> dict[str, Any]:
    """Return the settings of the file, if any, and over them those of the flags, as numbers."""
    known = {item.name for item in fields(DynamicsSettings)}
    table = read_toml(arguments.config) if "config" in arguments else {}
    table |= {name: value for name, value in vars(arguments).items() if name in known}
    for name, scale in (("time", _FS_PER_PS), ("timestep", 1.0), ("every", 1.0), ("relaxation", 1.0)):
        if isinstance(table.get(name), str):
            table[name] = read_duration(table[name], name=f"--{name}") / scale
    if isinstance(table.get("friction"), str):
        table["friction"] = read_rate(table["friction"], name="--friction")
    if isinstance(table.get("checkpoint"), str):
        table["checkpoint"] = read_time(table["checkpoint"], name="--checkpoint")
    if isinstance(table.get("uncertainty"), str):
        table["uncertainty"] = read_energy(table["uncertainty"], is_reduced=False, name="--uncertainty")
    return table


def _heading(dynamics: MolecularDynamics) -> str:
    settings, molecule, source = dynamics.settings, dynamics.molecule, dynamics.source
    digest = f", model {source.digest[:12]}" if source.digest else ""
    temperatures = " and ".join(f"{value:g} K" for value in settings.temperature)
    return (
        f"Dynamics of {molecule.formula} ({molecule.n_atoms} atoms) with {source.name} ({source.level}{digest}), "
        f"{settings.integrator} with {settings.timestep:g} fs, {settings.replicas} replicas at {temperatures} for "
        f"{settings.time:g} ps each on {settings.device}, seed {settings.seed}; run folder {dynamics.folder}"
    )
