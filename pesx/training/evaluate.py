"""How far a model is from its labels, molecule by molecule and temperature by temperature."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset
from pesx.training.frames import FrameTable
from pesx.training.reference import References, fit_references, known_references, references_of
from pesx.training.step import energy_and_forces, level_of
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
        force_mae: Mean absolute error of a force component, meV/angstrom; None if no frame has forces.
        force_rmse: Root mean square of the same.
        energy_mae: Mean absolute error of the energy of a frame, after the mean error of its molecule in this
            group was removed, kcal/mol; None if no frame has an energy.
        energy_rmse: Root mean square of the same.
        energy_offset: The mean error that was removed, averaged over the group, kcal/mol.
        level: Level of theory of the labels.
    """

    name: str
    temperature: float | None
    n_frames: int
    force_mae: float | None
    force_rmse: float | None
    energy_mae: float | None
    energy_rmse: float | None
    energy_offset: float | None
    level: str

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


def references_above(model: So3krates, dataset: Dataset) -> dict[str, References]:
    """Return references for a data set on which training goes on from a model.

    At levels that the model has they are its own. At others they are fitted to what the model's first head leaves, so that
    the training begins with the least to correct.

    Raises:
        InputError: The model does not know an element.
    """
    model.check_elements(torch.tensor(dataset.elements))
    levels = model.settings.levels
    new = Dataset(tuple(molecule for molecule in dataset.molecules if molecule.level not in levels))
    old = Dataset(tuple(molecule for molecule in dataset.molecules if molecule.level in levels))
    found = {level: references_of(model, old)[level] for level in old.levels}
    if new.molecules:
        found |= fit_references(new, above=_predicted(model, new))
    return found


def _predicted(model: So3krates, dataset: Dataset) -> list[NDArray[np.float64]]:
    """Return what the first head predicts above its references for the frames of each molecule, eV."""
    nothing = dict.fromkeys(dataset.levels, References(dict.fromkeys(dataset.elements, 0.0), 0))
    table = FrameTable(dataset, nothing, cutoff=model.settings.cutoff)
    batches = table.packed(np.arange(len(table)), batch_frames=BATCH_FRAMES, batch_pairs=BATCH_PAIRS)
    with torch.no_grad():
        energies = [model.interaction_energies(table.batch(chosen).graph).double().numpy() for chosen in batches]
    every = np.concatenate(energies)
    return [every[table.molecule == index] for index in range(len(dataset.molecules))]


@dataclass(frozen=True)
class Prediction:
    """What a model says of the frames of one molecule.

    Attributes:
        energy: eV, (K,), with the reference energies of its elements.
        forces: eV/angstrom, (K, N, 3).
    """

    energy: NDArray[np.float64]
    forces: NDArray[np.float64]


def predictions(model: So3krates, dataset: Dataset) -> list[Prediction]:
    """Return what the first head predicts for the frames of each molecule.

    Raises:
        InputError: The model does not know an element, a charge or a spin.
    """
    model.check_elements(torch.tensor(dataset.elements))
    for molecule in dataset.molecules:
        model.check_electrons(molecule.charge, molecule.multiplicity)
    references = known_references(model.head(0), dataset.elements)
    table = FrameTable(dataset, dict.fromkeys(dataset.levels, references), cutoff=model.settings.cutoff)
    batches = table.packed(np.arange(len(table)), batch_frames=BATCH_FRAMES, batch_pairs=BATCH_PAIRS)
    found = [energy_and_forces(model, table.batch(chosen).graph, create_graph=False) for chosen in batches]
    energy = np.concatenate([energies.detach().double().numpy() for energies, _ in found])
    forces = np.concatenate([forces.double().numpy() for _, forces in found])
    n_frames = [len(molecule) for molecule in dataset.molecules]
    n_rows = [len(molecule) * len(molecule.numbers) for molecule in dataset.molecules]
    return [
        Prediction(above + references.total(molecule.numbers), of_atoms.reshape(molecule.forces.shape))
        for molecule, above, of_atoms in zip(
            dataset.molecules,
            np.split(energy, np.cumsum(n_frames)[:-1]),
            np.split(forces, np.cumsum(n_rows)[:-1]),
            strict=True,
        )
    ]


def errors_of(model: So3krates, table: FrameTable, frames: NDArray[np.int64]) -> list[Errors]:
    """Compare a model with the labels of some frames of a table; see :func:`evaluate`."""
    energy, absolute, squared = (np.empty(len(frames)) for _ in range(3))
    at = 0
    for chosen in table.packed(frames, batch_frames=BATCH_FRAMES, batch_pairs=BATCH_PAIRS):
        batch = table.batch(chosen)
        with torch.enable_grad():
            predicted, forces = energy_and_forces(model, batch.graph, level=level_of(model, batch), create_graph=False)
        stop = at + len(chosen)
        has_energy, has_forces = table.has_energy[chosen], table.has_forces[chosen]
        off = (predicted.detach() - batch.energy).double().numpy()
        energy[at:stop] = np.where(has_energy, off, np.nan)
        owner = batch.graph.molecule.numpy()
        components = np.where(has_forces, 3 * np.bincount(owner), np.nan)
        apart = (forces - batch.forces).double()
        absolute[at:stop] = np.bincount(owner, apart.abs().sum(-1).numpy()) / components
        squared[at:stop] = np.bincount(owner, apart.square().sum(-1).numpy()) / components
        at = stop
    return _Offs(table, frames, energy, absolute, squared).groups()


@dataclass(frozen=True)
class _Offs:
    """What the predictions of some frames are off by; NaN where there is no label.

    Attributes:
        table: Where the frames are.
        frames: Their numbers in it.
        energy: Predicted less labelled energies, eV.
        absolute: Mean absolute error of the force components of a frame, eV/angstrom.
        squared: Mean squared error of the same.
    """

    table: FrameTable
    frames: NDArray[np.int64]
    energy: NDArray[np.float64]
    absolute: NDArray[np.float64]
    squared: NDArray[np.float64]

    def groups(self) -> list[Errors]:
        """Return the errors of all frames, of each molecule, and of each molecule at each temperature."""
        molecule, temperature = self.table.molecule[self.frames], self.table.temperature[self.frames]
        every = np.arange(len(self.frames))
        found = [every[molecule == index] for index in np.unique(molecule)]
        out = [self._errors("all", None, every)]
        names = [self.table.molecules[molecule[rows[0]]].name for rows in found]
        out += [self._errors(name, None, rows) for name, rows in zip(names, found, strict=True)]
        for name, rows in zip(names, found, strict=True):
            here = temperature[rows]
            known = np.unique(here[np.isfinite(here)])
            out += [self._errors(name, float(kelvin), rows[here == kelvin]) for kelvin in known]
        return out

    def _errors(self, name: str, kelvin: float | None, rows: NDArray[np.int64]) -> Errors:
        levels = {self.table.molecules[index].level for index in np.unique(self.table.molecule[self.frames[rows]])}
        return Errors(
            name=name,
            temperature=kelvin,
            n_frames=len(rows),
            **self._forces(rows),
            **self._energies(rows),
            level=", ".join(sorted(levels)),
        )

    def _forces(self, rows: NDArray[np.int64]) -> dict[str, float | None]:
        rows = rows[np.isfinite(self.absolute[rows])]
        if not len(rows):
            return {"force_mae": None, "force_rmse": None}
        weight = self.table.n_atoms[self.frames[rows]].astype(np.float64)
        return {
            "force_mae": float(np.average(self.absolute[rows], weights=weight)) / MEV,
            "force_rmse": float(np.sqrt(np.average(self.squared[rows], weights=weight))) / MEV,
        }

    def _energies(self, rows: NDArray[np.int64]) -> dict[str, float | None]:
        rows = rows[np.isfinite(self.energy[rows])]
        if not len(rows):
            return {"energy_mae": None, "energy_rmse": None, "energy_offset": None}
        molecule = self.table.molecule[self.frames[rows]]
        offset = np.zeros(len(rows))
        for index in np.unique(molecule):
            same = molecule == index
            offset[same] = self.energy[rows][same].mean()
        left = (self.energy[rows] - offset) / KCAL_PER_MOL
        return {
            "energy_mae": float(np.abs(left).mean()),
            "energy_rmse": float(np.sqrt(np.square(left).mean())),
            "energy_offset": float(offset.mean() / KCAL_PER_MOL),
        }
