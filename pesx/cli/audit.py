"""``pesx audit``: when, how often and why trajectories leave chemistry; and tests of a surface itself."""

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pesx.analysis.audit.audit import Audited, AuditSettings, audit_trajectory, groups
from pesx.analysis.audit.figures import write_figures
from pesx.analysis.audit.inputs import AuditInput, find_inputs, is_folder
from pesx.analysis.audit.observables import Observer
from pesx.analysis.audit.page import write_page
from pesx.analysis.audit.report import AuditReport, to_json
from pesx.analysis.audit.smoothness import as_table, smoothness
from pesx.analysis.audit.spectrum import wavenumbers
from pesx.analysis.audit.topologies import NamedMolecule, read_topology
from pesx.analysis.audit.trajectories import Trajectory
from pesx.cli.durations import read_duration
from pesx.cli.streams import clean_stdout, put, say
from pesx.dynamics.starts import relaxed
from pesx.errors import ConfigError
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.monitors import FAILURES, Cause, Monitors
from pesx.protocols import Potential
from pesx.registry import make_potential, own_faults
from pesx.relax.modes import mass_weighted_eigenvalues
from pesx.threads import one_thread_each
from pesx.typing import Positions

_FIGURES = ("pdf", "svg", "png")
_AMIDES = ("keep", "allow")
_JSON, _PAGE = "audit.json", "audit.html"


def run(arguments: Namespace) -> int:
    """Audit, show, write, and return the exit code."""
    _check(arguments)
    if arguments.smoothness and not arguments.trajectories:
        return _smooth(arguments)
    with clean_stdout(), one_thread_each(), _progress() as progress:
        report = _audit(arguments, progress)
    put(to_json(report) if arguments.json else report.as_text())
    if arguments.out is not None:
        folder = Path(arguments.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _JSON).write_text(to_json(report) + "\n")
        paths = write_figures(report, folder, f".{arguments.figures}")
        paths.append(write_page(report, folder / _PAGE))
        say(f"Wrote {', '.join(path.name for path in (folder / _JSON, *paths))} to {folder}.")
    return 0


def _check(arguments: Namespace) -> None:
    if not arguments.trajectories and not arguments.smoothness:
        raise ConfigError("Expected trajectories, or --smoothness; came neither. See pesx audit --help.")
    if arguments.smoothness and arguments.trajectories:
        raise ConfigError("Expected trajectories or --smoothness; came both. Give two commands.")
    if arguments.topology is not None and arguments.molecule is not None:
        raise ConfigError("Expected --topology or --molecule; came both. Leave one out.")
    for name, choices in (("amides", _AMIDES), ("figures", _FIGURES)):
        if getattr(arguments, name) not in choices:
            raise ConfigError(f"Expected --{name} out of {', '.join(choices)}; came {getattr(arguments, name)!r}.")


def _audit(arguments: Namespace, progress: "_Shown") -> AuditReport:
    named = _topology(arguments)
    inputs = find_inputs(arguments.trajectories, arguments.temperature)
    monitors = _monitors(arguments, named.molecule)
    observer = Observer(named.molecule)
    settings = AuditSettings(to_the_end=arguments.to_the_end)

    def one(item: AuditInput, lengths: torch.Tensor | None, interval: float | None) -> Audited:
        progress.name = item.path.name
        return audit_trajectory(
            Trajectory(item.path, named.topology, interval),
            monitors,
            observer,
            settings,
            target=item.target,
            lengths=lengths,
            known=item.known,
            on_progress=progress,
        )

    reference = None
    if arguments.reference is not None:
        (other,) = find_inputs([arguments.reference])[:1]
        # Its own times where it says them: it may be of another code, with another interval.
        reference = one(
            other, None, _interval(arguments) if other.path.suffix == Path(arguments.trajectories[0]).suffix else None
        )
    total = None if reference is None else reference.blocks.total()
    lengths = None if total is None else torch.from_numpy(total.lengths / total.n)
    members = [one(item, lengths, _interval(arguments)) for item in inputs]
    harmonic = _harmonic(arguments, named.molecule) if arguments.model or arguments.potential else None
    return AuditReport(named.molecule, named.bonds_from, groups(members, named.molecule), reference, harmonic)


def _topology(arguments: Namespace) -> NamedMolecule:
    source = arguments.topology or arguments.molecule
    if source is None:
        folders = [path for path in arguments.trajectories if is_folder(Path(path))]
        if not folders:
            raise ConfigError(
                "Expected the molecule of the trajectories; came none. Give a PDB or molecule file with --topology."
            )
        source = folders[0]
    return read_topology(source, charge=arguments.charge, multiplicity=arguments.multiplicity)


def _monitors(arguments: Namespace, molecule: Molecule) -> Monitors:
    failures = FAILURES - {Cause.AMIDE_FLIPPED} if arguments.amides == "allow" else FAILURES
    persistence = read_duration(arguments.persistence, name="--persistence", example="100fs") * 1e-3
    return Monitors(molecule, persistence=persistence, failures=failures, drift_limit=arguments.drift)


def _interval(arguments: Namespace) -> float | None:
    if arguments.interval is None:
        return None
    interval = read_duration(arguments.interval, name="--interval", example="10fs") * 1e-3
    if not interval > 0:
        raise ConfigError(f"Expected --interval above 0; came {arguments.interval!r}. Give the time between frames.")
    return interval


def _harmonic(arguments: Namespace, molecule: Molecule) -> np.ndarray[Any, Any]:
    potential, minimum = _minimum(arguments, molecule)
    (eigenvalues,) = mass_weighted_eigenvalues(potential, minimum, masses=molecule.masses)
    return np.asarray(wavenumbers(eigenvalues.cpu().numpy()))


def _minimum(arguments: Namespace, molecule: Molecule) -> tuple[Potential, Positions]:
    potential, _ = make_potential(arguments.potential or "so3krates", molecule, model=arguments.model)
    with own_faults(arguments.potential or "so3krates"):
        return potential, relaxed(potential, molecule)


def _smooth(arguments: Namespace) -> int:
    if arguments.topology is None and arguments.molecule is None:
        raise ConfigError("Expected a molecule to test the surface at; came none. Give one with --molecule.")
    molecule = _topology(arguments).molecule
    violations = None
    if arguments.run is not None:
        with RunStore.read(arguments.run) as store:
            violations = store.violations()

    def make_pair(pair: Molecule) -> Potential:
        return make_potential(arguments.potential or "so3krates", pair, model=arguments.model)[0]

    with clean_stdout(), one_thread_each():
        potential, minimum = _minimum(arguments, molecule)
        with own_faults(arguments.potential or "so3krates"):
            findings = smoothness(potential, molecule, minimum, make_pair=make_pair, violations=violations)
    table = [finding.as_json() for finding in findings]
    put(json.dumps(table, allow_nan=False) if arguments.json else as_table(findings))
    if arguments.out is not None:
        folder = Path(arguments.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "smoothness.json").write_text(json.dumps(table, allow_nan=False) + "\n")
        say(f"Wrote {folder / 'smoothness.json'}.")
    return 0


@dataclass
class _Shown:
    """What the progress line says."""

    progress: Progress
    name: str = ""

    def __call__(self, n_frames: int) -> None:
        """Show how many frames of the file were read."""
        self.progress.start()
        if not self.progress.tasks:
            self.progress.add_task("", total=None)
        self.progress.update(self.progress.tasks[0].id, description=f"{self.name}: {n_frames} frames")


@contextmanager
def _progress() -> Iterator[_Shown]:
    """Show progress from the first frames on; a wrong call, which ends before that, shows none."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    try:
        yield _Shown(progress)
    finally:
        if progress.live.is_started:
            progress.stop()
