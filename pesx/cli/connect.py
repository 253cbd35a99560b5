"""``pesx connect``: find the transition states that join the minima of a run."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pesx.cli.amounts import read_energy, read_time
from pesx.cli.streams import clean_stdout, put
from pesx.connect.jobs import Joined
from pesx.connect.rounds import RoundSettings
from pesx.landscape.network import Network
from pesx.landscape.store import RunStore
from pesx.pathways import ConnectSettings, Pathways


def run(arguments: Namespace) -> int:
    """Connect, say what came of it, and return the exit code."""
    folder = Path(arguments.run)
    with RunStore.resume(folder) as store:  # which brings an older run up to date
        is_reduced = store.energy_unit != "eV"
    settings = _settings(arguments, is_reduced=is_reduced)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with clean_stdout(), Pathways.open(folder, settings) as pathways:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("starting")
            reason = pathways.go(lambda progress: bar.update(task, description=_line(progress)))
        summary = summarise(pathways.store, pathways.connecting.progress(), reason)
    put(json.dumps(summary) if arguments.json else _text(summary))
    return 0


def summarise(store: RunStore, progress: Joined, reason: str) -> dict[str, Any]:
    """Return what came of it, ready for JSON."""
    network = Network.of(store)
    sizes = np.bincount(network.components())
    return {
        "reason": reason,
        "minima": len(network.minima),
        "new_minima": progress.n_new_minima,
        "transition_states": len(network.transition_states),
        "rearrangements_of_one_minimum": int((network.first == network.second).sum()),
        "joined_to_the_lowest": int(sizes[0]) if len(sizes) else 0,
        "parts": len(sizes),
        "pairs": progress.n_pairs,
        "searches": {outcome.name.lower(): count for outcome, count in sorted(progress.outcomes.items())},
        "evaluations": progress.n_evaluations,
        "seconds": round(progress.seconds, 1),
    }


def _settings(arguments: Namespace, *, is_reduced: bool) -> ConnectSettings:
    window = (
        float("inf")
        if arguments.window is None
        else read_energy(arguments.window, is_reduced=is_reduced, name="--window")
    )
    pairs = RoundSettings(
        n_neighbours=arguments.neighbours,
        n_around=arguments.around,
        window=window,
        most_rounds=arguments.rounds,
    )
    limits = {}
    if arguments.max_evaluations is not None:
        limits["max_evaluations"] = float(arguments.max_evaluations)
    if arguments.max_time is not None:
        limits["max_seconds"] = read_time(arguments.max_time)
    return ConnectSettings(
        pairs=pairs,
        n_bands=arguments.bands,
        n_searches=arguments.searches,
        seed=arguments.seed,
        model=arguments.model or "",
        device=arguments.device or "",
        workers=arguments.workers or 0,
        ray=arguments.ray or "",
        **limits,
    )


def _line(progress: Joined) -> str:
    return (
        f"{progress.n_transition_states} transition states of {progress.n_minima} minima, {progress.n_pairs} pairs done, "
        f"{progress.n_waiting} waiting, {progress.n_evaluations} evaluations"
    )


def _text(summary: dict[str, Any]) -> str:
    searches = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in summary["searches"].items())
    return "\n".join(
        [
            f"Stopped because {summary['reason']}.",
            f"{summary['transition_states']} transition states, {summary['rearrangements_of_one_minimum']} of them "
            "rearrange one minimum onto itself.",
            f"{summary['joined_to_the_lowest']} of {summary['minima']} minima are joined to the lowest, in {summary['parts']} "
            f"parts in all; {summary['new_minima']} minima were found on the way.",
            f"{summary['pairs']} pairs; searches: {searches or 'none'}.",
            f"{summary['evaluations']} evaluations in {summary['seconds']} s.",
        ]
    )
