"""ASE's own global optimisers for a given time, with our model as calculator; part of ``against_ase.py``."""

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io.trajectory import Trajectory
from ase.optimize.basin import BasinHopping
from ase.optimize.minimahopping import MinimaHopping

from pesx import Molecule, PesxCalculator

MINIMA, BASIN = "MinimaHopping", "BasinHopping"
NO_LIMIT = 10**9
QUENCHES = {MINIMA: "qn*.traj", BASIN: "local_minima.traj"}
LISTED = {MINIMA: "minima.traj", BASIN: "local_minima.traj"}
DEFAULT_FMAX = {MINIMA: 0.05, BASIN: 0.1}


@dataclass(frozen=True)
class AseSearch:
    """Which optimiser, with which settings; the rest is ASE's default."""

    method: str
    settings: dict[str, Any]

    @property
    def fmax(self) -> float:
        """Largest force at the end of a quench, eV/angstrom."""
        return float(self.settings.get("fmax", DEFAULT_FMAX[self.method]))

    def go(self, atoms: Atoms, seed: int) -> None:
        """Search in the working directory until something is raised."""
        if self.method == MINIMA:
            MinimaHopping(atoms, rng=np.random.default_rng(seed), **self.settings)()
            return
        np.random.seed(seed)  # noqa: NPY002, basin hopping of ASE draws from the global generator
        with BasinHopping(atoms, logfile=None, optimizer_logfile=None, **self.settings) as hopping:
            hopping.run(NO_LIMIT)


class TimeIsUpError(Exception):
    """The search has used its time."""


class TimedCalculator(PesxCalculator):
    """The calculator of pesx, counting evaluations and raising :class:`TimeIsUpError` when the time is up."""

    def __init__(self, model: str | None, deadline: float) -> None:
        super().__init__(model, device="cpu")
        self.deadline = deadline
        self.n_evaluations = 0

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = ("positions",),
    ) -> None:
        """Evaluate the energy and forces of the atoms, if there still is time."""
        if time.monotonic() >= self.deadline:
            raise TimeIsUpError
        self.n_evaluations += 1
        super().calculate(atoms, properties, system_changes)


def search_with_ase(
    search: AseSearch, molecule: Molecule, *, model: str | None, seconds: float, seed: int
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Search for the time given, starting again after errors; return the ends of all quenches and how it went."""
    begin = time.monotonic()
    calculator = TimedCalculator(model, begin + seconds)
    errors: Counter[str] = Counter()
    ends: list[np.ndarray] = []
    n_listed = 0
    with tempfile.TemporaryDirectory() as place:
        folders: list[Path] = []
        while time.monotonic() < calculator.deadline:
            folders.append(Path(place) / str(len(folders)))
            folders[-1].mkdir()
            atoms = Atoms(molecule.numbers.numpy(), molecule.positions.numpy(), calculator=calculator)
            with contextlib.chdir(folders[-1]):
                try:
                    search.go(atoms, seed + len(folders) - 1)
                except TimeIsUpError:
                    pass
                except Exception as error:  # whatever ends a search of ASE is counted, and the next one begins
                    errors[f"{type(error).__name__}: {error}"[:120]] += 1
        wall = time.monotonic() - begin
        for folder in folders:
            ends += ends_of_quenches(folder, search)
            n_listed += sum(len(read_all(path)) for path in folder.glob(LISTED[search.method]))
    return torch.from_numpy(np.array(ends).reshape(len(ends), molecule.n_atoms, 3)), {
        "method": search.method,
        "settings": {name: getattr(value, "__name__", value) for name, value in search.settings.items()},
        "fmax": search.fmax,
        "seconds": wall,
        "quenches": len(ends),
        "evaluations": calculator.n_evaluations,
        "listed_as_minima": n_listed,
        "starts": len(folders),
        "errors": dict(errors),
    }


def ends_of_quenches(folder: Path, search: AseSearch) -> list[np.ndarray]:
    """Return the structures in which quenches converged, whether or not the search took them for minima."""
    paths = sorted(folder.glob(QUENCHES[search.method]))
    # Minima hopping keeps the way of each quench in a file of its own, basin hopping all ends in one.
    images = [image for path in paths for image in read_all(path)[-1 if search.method == MINIMA else 0 :]]
    return [image.positions for image in images if np.linalg.norm(image.get_forces(), axis=1).max() <= search.fmax]


def read_all(path: Path) -> list[Atoms]:
    """Return all structures of a trajectory; none of a file that was not begun."""
    if not path.stat().st_size:
        return []
    with Trajectory(str(path)) as trajectory:
        return list(trajectory)
