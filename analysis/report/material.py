"""What a report is made of: a run, its graph, what was measured of its minima, and what ``pesx novelty`` has left there."""

import csv
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pesx.analysis.descriptors import Descriptors, descriptors
from pesx.analysis.disconnectivity import axis_unit
from pesx.analysis.novelty import KEPT, TABLE
from pesx.analysis.run import Run
from pesx.errors import InputError
from pesx.landscape.network import Network
from pesx.settings import ExploreSettings, read_settings
from pesx.typing import Float, Tensor

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Material:
    """All that the sections of a report read; made by :meth:`of`.

    Attributes:
        run: The run.
        settings: Its settings; None where the folder has none.
        network: Its minima and transition states, less those without an energy.
        measured: Descriptors of all minima of the run.
        novelty: Columns of RUN/novelty.csv by name, a row for each minimum of the run, NaN where it has none; empty where there
            is no such file.
        frames: Training frames, angstrom, (F, N, 3); None where none were given.
        n_frames: How many there were, of which ``frames`` may be a sample.
    """

    run: Run
    settings: ExploreSettings | None
    network: Network
    measured: Descriptors
    novelty: dict[str, Array]
    frames: Float[Tensor, "F N 3"] | None = None
    n_frames: int = 0

    @classmethod
    def of(
        cls, folder: Path | str, *, frames: Float[Tensor, "F N 3"] | None = None, most_frames: int = 4000
    ) -> "Material":
        """Read a run folder, and measure its minima.

        Args:
            folder: Run folder; the run may be going on.
            frames: Of the training data, in the order of the atoms of the run.
            most_frames: At most so many of them are kept, evenly spaced.

        Raises:
            RunFolderError: The folder holds no run, or one that cannot be read.
            InputError: RUN/novelty.csv is not about this run.
        """
        run = Run(folder)
        has_settings = (run.folder / "config.toml").is_file()
        n_frames = 0 if frames is None else len(frames)
        if frames is not None and n_frames > most_frames:
            frames = frames[np.linspace(0, n_frames - 1, most_frames).round().astype(np.int64)]
        return cls(
            run=run,
            settings=read_settings(run.folder) if has_settings else None,
            network=Network.from_records(
                run.minima, run.transition_states, masses=run.molecule.masses, unit=run.energy_unit
            ),
            measured=descriptors(run.molecule, run.minima.positions),
            novelty=_read_novelty(run.folder / TABLE, len(run.minima)),
            frames=frames,
            n_frames=n_frames,
        )

    @property
    def is_cluster(self) -> bool:
        """Whether it is a cluster of atoms without bonds."""
        return not len(self.run.molecule.bonds)

    @property
    def energy(self) -> Array:
        """Energies of all minima, in the unit of the run; NaN where one is not finite."""
        energy = self.run.minima.energy.numpy()
        return np.where(np.isfinite(energy), energy, np.nan)

    @property
    def relative_energy(self) -> Array:
        """Heights above the lowest minimum, in the unit of the axis."""
        energy = self.energy
        lowest = energy[np.isfinite(energy)].min(initial=np.inf)
        return (energy - lowest) / self.scale if np.isfinite(lowest) else energy

    @property
    def scale(self) -> float:
        """Unit of the axis in that of the run."""
        return axis_unit(self.network)[0]

    @property
    def unit(self) -> str:
        """Unit of the axis: kcal/mol, or ε in reduced units."""
        return axis_unit(self.network)[1]

    @property
    def length_unit(self) -> str:
        """Unit of lengths: angstrom, or σ in reduced units."""
        return "σ" if self.network.unit == "epsilon" else "Å"

    @property
    def n_evaluations(self) -> int:
        """Force evaluations of the exploration; also those of quenches that had not ended, where the run wrote it down."""
        ended = int(self.run.quenches.n_evaluations.sum())
        return max(ended, int(self.run.provenance.get("n_evaluations", 0)))

    @property
    def is_new(self) -> Array:
        """1 for minima that the training data do not imply, 0 for those that they do, NaN where that is not known."""
        return self.novelty.get("new", np.full(len(self.run.minima), np.nan))

    @property
    def implied_elsewhere(self) -> Float[Tensor, "E N 3"]:
        """Minima that the data imply and the run has not found, as of the last ``pesx novelty``, angstrom."""
        path = self.run.folder / KEPT
        if not path.is_file() or not self.novelty:
            return torch.zeros((0, self.run.molecule.n_atoms, 3), dtype=torch.float64)
        with np.load(path, allow_pickle=False) as saved:
            return torch.from_numpy(saved["positions"].astype(np.float64).reshape(-1, self.run.molecule.n_atoms, 3))


def left_out(why: str) -> dict[str, str]:
    """Return what stands for a part of the report that a run has no data for.

    Args:
        why: One sentence.
    """
    return {"left_out": why}


def plain(values: Array, digits: int = 4) -> list[Any]:
    """Return a column for JSON: numbers rounded, those that are not finite as None."""
    if values.dtype.kind != "f":
        return list(values.tolist())
    rounded = np.round(values.astype(np.float64), digits)
    return [
        value if is_finite else None for value, is_finite in zip(rounded.tolist(), np.isfinite(values), strict=True)
    ]


def _read_novelty(path: Path, n_minima: int) -> dict[str, Array]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        numbers = np.array([int(row["minimum"]) for row in rows], dtype=np.int64)
        names = [name for name in (rows[0] if rows else {}) if name not in ("minimum", "relative_energy")]
        values = {name: np.array([_value(row[name]) for row in rows]) for name in names}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected the table of pesx novelty in {path}; came another one ({error}). Run it again."
        ) from error
    strange = numbers[(numbers < 0) | (numbers >= n_minima)]
    if strange.size:
        raise InputError(
            f"Expected minima of this run, of which there are {n_minima}, in {path}; came number {strange[0]}. "
            "Run pesx novelty again, or remove the file."
        )
    columns = {}
    for name, column in values.items():
        columns[name] = np.full(n_minima, np.nan)
        columns[name][numbers] = column
    return columns


def _value(text: str) -> float:
    return {"yes": 1.0, "no": 0.0, "": nan}[text] if text in ("yes", "no", "") else float(text)


__all__ = ["Material", "left_out", "plain"]
