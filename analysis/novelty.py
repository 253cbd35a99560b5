"""What a search found that the training data do not imply: which minima are new, how far from the data, how reliable."""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pesx.errors import InputError, WrongFolderError
from pesx.explore.presets import molecule_parts
from pesx.files import write_whole
from pesx.landscape.records import StoredMinima, Verifications
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.protocols import Potential
from pesx.registry import Source, choose_device, make_potential
from pesx.settings import ExploreSettings, read_settings
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset
from pesx.typing import Float, Tensor
from pesx.units import KCAL_PER_MOL
from pesx.verification.compare import rows_of, stayed
from pesx.verification.proportions import Proportion

from .frames import frames_of
from .implied import Implied, Quenching, implied_minima
from .nearness import feature_distances, rmsd_distances, torsion_distances

Array = np.ndarray[Any, np.dtype[Any]]

TABLE, SUMMARY, KEPT = "novelty.csv", "novelty.json", "novelty.npz"
"""Files in the run folder: a row for each minimum, the counts, and where each frame ended."""


@dataclass(frozen=True)
class NoveltyTable:
    """The minima of a run inside its energy window, lowest first, one numpy array per column; NaN where it is not known.

    Attributes:
        minimum: Number.
        relative_energy: Height above the lowest, kcal/mol.
        new: Whether no frame of the data ends there.
        frames: How many frames end there.
        torsion_distance: To the nearest frame: the largest difference of a torsion, degree.
        rmsd_distance: To the nearest frame, over allowed exchanges of atoms, angstrom.
        feature_distance: To the nearest frame, in the features of the model.
        uncertainty: Of the height above the lowest, kcal/mol.
        survives: 1 where it stayed within 0.3 angstrom when relaxed at the other level of theory, else 0.
        rmsd: How far it moved then, angstrom.
        heavy_rmsd: The same without hydrogen.
        energy_error: Of the potential at the minimum as it is, less the mean over known minima, kcal/mol.
    """

    minimum: Array
    relative_energy: Array
    new: Array
    frames: Array
    torsion_distance: Array
    rmsd_distance: Array
    feature_distance: Array
    uncertainty: Array
    survives: Array
    rmsd: Array
    heavy_rmsd: Array
    energy_error: Array


@dataclass(frozen=True)
class NoveltySummary:
    """The counts. Minima are those inside the energy window of the run.

    Attributes:
        n_frames: Frames of the molecule in the data that were quenched.
        n_frames_in_minima: Those that ended in a minimum of the molecule.
        n_implied_anywhere: Minima that they imply at any energy.
        n_implied: Minima that they imply inside the window.
        n_found: Minima that the run found.
        n_known: Those of them that the data imply.
        n_new: Those that they do not.
        level: Level of theory of the verifications; empty if there are none.
        known: How many of the verified known minima survive.
        new: How many of the verified new minima survive.
        medians: Of some columns of the table, for known and for new minima.
    """

    n_frames: int
    n_frames_in_minima: int
    n_implied_anywhere: int
    n_implied: int
    n_found: int
    n_known: int
    n_new: int
    level: str
    known: Proportion
    new: Proportion
    medians: dict[str, dict[str, float | None]]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        difference, lower, upper = self.new.minus(self.known)
        return {
            **{name: value for name, value in asdict(self).items() if name not in ("known", "new")},
            "surviving_known": self.known.as_json(),
            "surviving_new": self.new.as_json(),
            "new_less_known": {
                "difference": difference if isfinite(difference) else None,
                "lower": lower,
                "upper": upper,
            },
        }


def novelty(
    folder: Path | str,
    data: Dataset,
    *,
    model: str | None = None,
    device: str = "auto",
    level: str | None = None,
    n_frames: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[NoveltyTable, NoveltySummary]:
    """Compare the minima of a run with those that training data imply; write RUN/novelty.csv, .json and .npz.

    Args:
        folder: Run folder, of a molecule with bonds.
        data: What the model was trained on; frames of other molecules are left out.
        model: File of the model of the run, if it has moved or was calibrated since.
        device: Where a learned potential runs.
        level: Level of theory of the verifications to use; None for that of the potential, or the only one there is.
        n_frames: Quench only so many of the frames, at random; None for all.
        seed: Of that choice.
        on_progress: Called with the number of frames that are quenched, and of all.

    Raises:
        InputError: The run is one without bonds or units or has no minima, the data have no frame of the molecule, or no
            minimum is verified at the level asked for.
        WrongFolderError: No run there, or the model is another one than that of the run.
    """
    run = _Run.read(Path(folder))
    frames = frames_of(run.molecule, data)
    if n_frames is not None and n_frames < len(frames):
        chosen = np.random.default_rng(seed).permutation(len(frames))[:n_frames]
        frames = frames[np.sort(chosen)]
    device = choose_device(device) if run.is_learned else "cpu"
    potential, source = _potential(run, model, device)
    verified, at = _verified(run, level, source)
    implied = _implied(run, potential, frames, device=device, on_progress=on_progress)
    rows = run.rows_in_window()
    network = checkpoint.load(model or run.settings.model)[0] if run.is_learned else None
    table = _table(run, implied, rows, frames=frames, network=network, verified=verified)
    summary = _summary(run, implied, table, at)
    write_novelty(table, summary, Path(folder))
    return table, summary


def write_novelty(table: NoveltyTable, summary: NoveltySummary, folder: Path) -> None:
    """Write RUN/novelty.csv and RUN/novelty.json."""
    names = [field.name for field in fields(table)]
    columns = [[_cell(name, value) for value in getattr(table, name).tolist()] for name in names]
    partial = folder / f"{TABLE}.partial"
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))
    partial.replace(folder / TABLE)
    write_whole(folder / SUMMARY, json.dumps(summary.as_json(), indent=1) + "\n")


def read_new(folder: Path) -> dict[int, bool]:
    """Return whether each minimum in RUN/novelty.csv is new, by its number.

    Raises:
        InputError: There is no such file.
    """
    path = folder / TABLE
    if not path.is_file():
        raise InputError(
            f"Expected {path}, which tells new minima from known ones; there is none. Run pesx novelty first."
        )
    with path.open(encoding="utf-8", newline="") as file:
        return {int(row["minimum"]): row["new"] == "yes" for row in csv.DictReader(file)}


def _cell(name: str, value: float) -> str | int:
    if name in ("new", "survives"):
        return "yes" if value == 1 else "no" if value == 0 else ""
    if isinstance(value, int):
        return value
    return f"{value:.6g}" if isfinite(value) else ""


@dataclass(frozen=True)
class _Run:
    """What there is to know of a run."""

    folder: Path
    molecule: Molecule
    minima: StoredMinima
    verifications: Verifications
    meta: dict[str, str]
    settings: ExploreSettings

    @classmethod
    def read(cls, folder: Path) -> "_Run":
        with RunStore.read(folder) as store, store.snapshot():
            run = cls(folder, store.molecule, store.minima(), store.verifications(), store.meta, read_settings(folder))
            unit = store.energy_unit
        if unit != "eV" or not len(run.molecule.bonds):
            raise InputError(
                f"Expected a run of a molecule with bonds; came one of {run.molecule.formula} without. Choose another run."
            )
        if not len(run.minima):
            raise InputError(f"Expected minima in {folder}; the run has found none yet. Let it run longer.")
        return run

    @property
    def is_learned(self) -> bool:
        return self.settings.potential == "so3krates"

    @property
    def window(self) -> float:
        """Height above the lowest up to which minima count, eV."""
        return inf if self.settings.energy_window is None else self.settings.energy_window

    def rows_in_window(self) -> Array:
        """Return the numbers of the minima inside the window, lowest first."""
        energy = self.minima.energy.numpy()
        order = np.argsort(energy, kind="stable")
        rows: Array = order[energy[order] <= energy.min() + self.window]
        return rows


def _potential(run: _Run, model: str | None, device: str) -> tuple[Potential, Source]:
    settings = run.settings
    potential, source = make_potential(
        settings.potential, run.molecule, model=model or settings.model, device=device, n_workers=settings.workers
    )
    if source.digest != run.meta.get("model", ""):
        raise WrongFolderError(
            f"Expected the model that the run was made with ({run.meta.get('model', '')[:12]}); came one with the hash "
            f"{source.digest[:12]}. Give that model with --model."
        )
    return potential, source


def _implied(
    run: _Run,
    potential: Potential,
    frames: Float[Tensor, "F N 3"],
    *,
    device: str,
    on_progress: Callable[[int, int], None] | None,
) -> Implied:
    settings = run.settings
    parts, archive = molecule_parts(potential, run.molecule, mirror=settings.mirror, amides=settings.amides, n_seeds=0)
    how = Quenching(
        dtype=torch.float32 if settings.precision == "float32" else torch.float64,
        device=device,
        n_rows=64 if device == "cpu" else 4096,
    )
    try:
        return implied_minima(
            parts, archive, run.minima, frames=frames, kept=run.folder / KEPT, how=how, on_progress=on_progress
        )
    finally:
        if callable(end := getattr(potential, "close", None)):
            end()


def _verified(run: _Run, level: str | None, source: Source) -> tuple[Verifications, str]:
    """Return the verifications to use and their level; none and no level where there are none."""
    levels = sorted(set(run.verifications.level.tolist()))
    if level is None:
        level = source.level if source.level in levels else levels[0] if len(levels) == 1 else None
    if level is None and levels:
        raise InputError(f"Expected the level of the verifications to use; there are {', '.join(levels)}. Choose one.")
    if level is not None and level not in levels:
        raise InputError(
            f"Expected a level at which minima were verified, out of {', '.join(levels) or 'none'}; came {level!r}. Run pesx "
            "verify first."
        )
    rows = np.flatnonzero(run.verifications.level == level) if level else np.zeros(0, dtype=np.int64)
    return rows_of(run.verifications, rows), level or ""


def _table(
    run: _Run,
    implied: Implied,
    rows: Array,
    *,
    frames: Float[Tensor, "F N 3"],
    network: So3krates | None,
    verified: Verifications,
) -> NoveltyTable:
    positions, energy = run.minima.positions[rows], run.minima.energy.numpy()[rows]
    counts = implied.counts[rows]
    mirror = run.settings.mirror
    unknown = np.full(len(rows), np.nan)
    feature, sigma = unknown, unknown
    if network is not None:
        feature = feature_distances(network, run.molecule, positions, frames).numpy()
        sigma = _uncertainty(network, run.molecule, positions)
    survives, moved, moved_heavy, error = _verdicts(rows, energy, verified, is_known=counts > 0)
    return NoveltyTable(
        minimum=rows,
        relative_energy=(energy - energy[0]) / KCAL_PER_MOL,
        new=counts == 0,
        frames=counts,
        torsion_distance=torsion_distances(run.molecule, positions, frames, mirror=mirror).numpy(),
        rmsd_distance=rmsd_distances(run.molecule, positions, frames, mirror=mirror).numpy(),
        feature_distance=feature,
        uncertainty=sigma,
        survives=survives,
        rmsd=moved,
        heavy_rmsd=moved_heavy,
        energy_error=error,
    )


def _uncertainty(network: So3krates, molecule: Molecule, positions: Tensor) -> Array:
    """Return that of the heights above the first, kcal/mol; NaN where the model is not calibrated."""
    if network.uncertainty is None:
        return np.full(len(positions), np.nan)
    potential = LearnedPotential(network, molecule.numbers, charge=molecule.charge, multiplicity=molecule.multiplicity)
    sigma: Array = potential.uncertainty(positions, positions[:1]).numpy() / KCAL_PER_MOL
    return sigma


def _verdicts(rows: Array, energy: Array, verified: Verifications, *, is_known: Array) -> tuple[Array, ...]:
    """Return survival, both RMSD and the energy error of each minimum; NaN where it was not verified."""
    place = {int(number): index for index, number in enumerate(verified.minimum)}
    at = np.array([place.get(int(number), -1) for number in rows], dtype=np.int64)
    is_there = at >= 0
    out = []
    for column in (stayed(verified).astype(float), verified.rmsd, verified.heavy_rmsd, verified.unrelaxed_energy):
        values = np.full(len(rows), np.nan)
        values[is_there] = column[at[is_there]]
        out.append(values)
    *kept, reference = out
    gap = (energy - reference) / KCAL_PER_MOL
    is_zero = is_known & np.isfinite(gap)
    zero = gap[is_zero if is_zero.any() else np.isfinite(gap)]
    return *kept, gap - (zero.mean() if len(zero) else np.nan)


def _summary(run: _Run, implied: Implied, table: NoveltyTable, level: str) -> NoveltySummary:
    counts = implied.counts
    inside = implied.energy <= float(run.minima.energy.min()) + run.window
    survival = {}
    for name, group in (("known", ~table.new), ("new", table.new)):
        values = table.survives[group & np.isfinite(table.survives)]
        survival[name] = Proportion(int(values.sum()), len(values))
    columns = ("torsion_distance", "rmsd_distance", "feature_distance", "uncertainty", "energy_error")
    return NoveltySummary(
        n_frames=len(implied.minimum),
        n_frames_in_minima=int((implied.minimum >= 0).sum()),
        n_implied_anywhere=int((counts > 0).sum()),
        n_implied=int(((counts > 0) & inside).sum()),
        n_found=len(table.minimum),
        n_known=int((~table.new).sum()),
        n_new=int(table.new.sum()),
        level=level,
        **survival,
        medians={
            name: {column: _median(np.abs(getattr(table, column)[group])) for column in columns}
            for name, group in (("known", ~table.new), ("new", table.new))
        },
    )


def _median(values: Array) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None


__all__ = ["KEPT", "SUMMARY", "TABLE", "NoveltySummary", "NoveltyTable", "novelty", "read_new", "write_novelty"]
