"""What is to be audited: files of trajectories, and folders of ``pesx md`` with what they know of theirs."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pesx.analysis.audit.topologies import FOLDER_TOPOLOGY
from pesx.config import read_toml
from pesx.errors import InputError, WrongFolderError
from pesx.monitors import Cause, Event

CONFIG, TRAJECTORIES, EVENTS = "config.toml", "trajectories", "events.jsonl"

_REPLICA = re.compile(r"(\d+)$")


@dataclass(frozen=True)
class AuditInput:
    """One trajectory to audit.

    Attributes:
        path: Of the file.
        target: Temperature of the thermostat, K; None where unknown.
        known: What the run that wrote it told of this replica.
    """

    path: Path
    target: float | None = None
    known: tuple[Event, ...] = ()


def find_inputs(paths: Sequence[str | Path], temperatures: Sequence[float] = ()) -> tuple[AuditInput, ...]:
    """Return the trajectories that paths name; a folder of ``pesx md`` stands for all of its replicas.

    Args:
        paths: Files and folders.
        temperatures: Of the thermostats, K: none, one for all files, or one for each; folders know theirs.

    Raises:
        InputError: There are neither none, one, nor as many temperatures as files, or one is not above 0.
        WrongFolderError: A folder is none of ``pesx md``.
    """
    files = [Path(path) for path in paths if not Path(path).is_dir()]
    if any(not temperature > 0 for temperature in temperatures):
        raise InputError(f"Expected temperatures above 0 K; came {list(temperatures)}. Correct them.")
    if len(temperatures) not in (0, 1, len(files)):
        raise InputError(
            f"Expected one temperature, or one for each of the {len(files)} files; came {len(temperatures)}. Give as many."
        )
    given: list[float | None] = [*temperatures] * (len(files) if len(temperatures) == 1 else 1) or [None] * len(files)
    targets = dict(zip(files, given, strict=True))
    found: list[AuditInput] = []
    for path in map(Path, paths):
        found += _of_folder(path) if path.is_dir() else [AuditInput(path, targets[path])]
    return tuple(found)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of ``pesx md``."""
    return (path / TRAJECTORIES).is_dir() and (path / FOLDER_TOPOLOGY).is_file()


def _of_folder(folder: Path) -> list[AuditInput]:
    if not is_folder(folder):
        raise WrongFolderError(
            f"Expected a folder of pesx md, with {FOLDER_TOPOLOGY} and {TRAJECTORIES}; came {str(folder)!r}. Name that "
            "folder, or files."
        )
    temperatures = _temperatures(folder)
    events = _events(folder)
    found = []
    for path in sorted((folder / TRAJECTORIES).iterdir()):
        if (match := _REPLICA.search(path.stem)) and not path.name.endswith(".partial"):
            number = int(match[1])
            target = temperatures[number] if number < len(temperatures) else None
            found.append(AuditInput(path, target, tuple(events.get(number, ()))))
    if not found:
        raise WrongFolderError(
            f"Expected trajectories in {folder / TRAJECTORIES}; came none. Check whether the run has begun."
        )
    return found


def _temperatures(folder: Path) -> list[float]:
    """Return the temperature of each replica's thermostat; none where there was no thermostat."""
    path = folder / CONFIG
    settings = read_toml(path) if path.is_file() else {}
    if settings.get("integrator") == "verlet":
        return []
    values: Any = settings.get("temperature", [])
    return [float(value) for value in values for _ in range(int(settings.get("replicas", 1)))]


def _events(folder: Path) -> dict[int, list[Event]]:
    path = folder / EVENTS
    found: dict[int, list[Event]] = {}
    for number, line in enumerate(path.read_text().splitlines() if path.is_file() else [], start=1):
        try:
            item = json.loads(line)
            event = Event(
                int(item["replica"]),
                int(item["frame"]),
                float(item["time"]),
                Cause[item["cause"]],
                tuple(item["atoms"]),
                float("nan") if item["value"] is None else float(item["value"]),
                str(item["sentence"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: expected an event; came {line[:60]!r} ({error}). Remove the line."
            ) from error
        found.setdefault(event.replica, []).append(event)
    return found


__all__ = ["AuditInput", "find_inputs", "is_folder"]
