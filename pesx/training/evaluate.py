"""How far a model is from its labels, molecule by molecule and temperature by temperature."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset
from pesx.training.frames import FrameTable
from pesx.training.reference import references_of
from pesx.training.step import energy_and_forces
from pesx.units import KCAL_PER_MOL

BATCH_PAIRS = 8192
"""Pairs evaluated together; bounds the memory needed."""

BATCH_FRAMES = 32
"""Frames evaluated together."""

MEV = 1e-3
"""eV."""


@dataclass(frozen=True)
class Errors:
    """Errors of a group of frames.

    Attributes:
        name: Molecule, or ``all``.
        temperature: Of the trajectories, K; None for all of them, and for frames that have none.
        n_frames: How many frames.
        force_mae: Mean absolute error of a force component, meV/angstrom.
        force_rmse: Root mean square of the same.
        energy_mae: Mean absolute error of the energy of a frame, after the mean error of its molecule in this
            group was removed, kcal/mol.
        energy_rmse: Root mean square of the same.
        energy_offset: The mean error that was removed, averaged over the group, kcal/mol.
    """

    name: str
    temperature: float | None
    n_frames: int
    force_mae: float
    force_rmse: float
    energy_mae: float
    energy_rmse: float
    energy_offset: float

    def as_table(self) -> dict[str, Any]:
        """Return the errors as plain values."""
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


def evaluate(model: So3krates, dataset: Dataset) -> list[Errors]:
    """Compare a model with labels.

    Args:
        model: With its reference energies set.
        dataset: Labelled frames; all elements must be known to the model's references.

    Returns:
        Errors of all frames, then of each molecule, then of each molecule at each temperature.
    """
    for molecule in dataset.molecules:
        model.check_electrons(molecule.charge, molecule.multiplicity)
    table = FrameTable(dataset, references_of(model, dataset), cutoff=model.settings.cutoff)
    return errors_of(model, table, np.arange(len(table)))


def errors_of(model: So3krates, table: FrameTable, frames: NDArray[np.int64]) -> list[Errors]:
    """Compare a model with the labels of some frames of a table; see :func:`evaluate`."""
    energy, absolute, squared = (np.empty(len(frames)) for _ in range(3))
    at = 0
    for chosen in table.packed(frames, batch_frames=BATCH_FRAMES, batch_pairs=BATCH_PAIRS):
        batch = table.batch(chosen)
        with torch.enable_grad():
            predicted, forces = energy_and_forces(model, batch.graph, create_graph=False)
        stop = at + len(chosen)
        energy[at:stop] = (predicted.detach() - batch.energy).double().numpy()
        owner = batch.graph.molecule.numpy()
        components = 3 * np.bincount(owner)
        off = (forces - batch.forces).double()
        absolute[at:stop] = np.bincount(owner, off.abs().sum(-1).numpy()) / components
        squared[at:stop] = np.bincount(owner, off.square().sum(-1).numpy()) / components
        at = stop
    return _groups(table, frames, energy, absolute, squared)


def _groups(
    table: FrameTable,
    frames: NDArray[np.int64],
    energy: NDArray[np.float64],
    absolute: NDArray[np.float64],
    squared: NDArray[np.float64],
) -> list[Errors]:
    molecule, temperature = table.molecule[frames], table.temperature[frames]

    def errors(name: str, kelvin: float | None, rows: NDArray[np.int64]) -> Errors:
        offset = np.zeros(len(rows))
        for index in np.unique(molecule[rows]):
            same = molecule[rows] == index
            offset[same] = energy[rows][same].mean()
        left = (energy[rows] - offset) / KCAL_PER_MOL
        weight = table.n_atoms[frames[rows]].astype(np.float64)
        return Errors(
            name=name,
            temperature=kelvin,
            n_frames=len(rows),
            force_mae=float(np.average(absolute[rows], weights=weight)) / MEV,
            force_rmse=float(np.sqrt(np.average(squared[rows], weights=weight))) / MEV,
            energy_mae=float(np.abs(left).mean()),
            energy_rmse=float(np.sqrt(np.square(left).mean())),
            energy_offset=float(offset.mean() / KCAL_PER_MOL),
        )

    found = np.unique(molecule)
    out = [errors("all", None, np.arange(len(frames)))]
    out += [errors(table.molecules[index].name, None, np.flatnonzero(molecule == index)) for index in found]
    for index in found:
        here = np.where(molecule == index, temperature, np.nan)
        known = np.unique(here[np.isfinite(here)])
        out += [errors(table.molecules[index].name, float(kelvin), np.flatnonzero(here == kelvin)) for kelvin in known]
    return out
