"""Reference energies of the elements, by least squares over compositions.

E(molecule) ~ sum_z n_z e_z. The network is left with the remainder, which is of the order of an eV.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.so3krates.model import So3krates
from pesx.so3krates.readout import EnergyHead
from pesx.training.dataset import Dataset

RELATIVE_RANK_TOLERANCE = 1e-9
"""Smaller singular values, relative to the largest, count as zero; counts of atoms leave a wide gap there."""


@dataclass(frozen=True)
class References:
    """Reference energies of elements.

    Attributes:
        energies: eV by atomic number.
        rank: How many independent directions the compositions fix. Below the number of elements, the energies of single
            elements are not unique; sums over compositions of the kind that was fitted still are.
    """

    energies: dict[int, float]
    rank: int

    def total(self, numbers: np.ndarray) -> float:
        """Return the sum of the references of these atoms, eV."""
        return sum(self.energies[int(number)] for number in numbers)


def fit_references(dataset: Dataset, above: Sequence[NDArray[np.float64]] | None = None) -> dict[str, References]:
    """Fit one energy per element to the median energy of each molecule, all molecules weighing the same, level by level.

    Where compositions do not determine the energies, the solution with the smallest norm is taken. The median keeps a
    few strongly distorted frames from shifting the zero. A level without absolute energies gets zeros.

    Args:
        dataset: Labelled frames.
        above: What a model predicts for the frames of each molecule, eV; the references then are fitted to the remainder,
            so that the model's weights stand above them. None for nothing.
    """
    if above is None:
        above = [np.zeros(len(molecule)) for molecule in dataset.molecules]
    remainders = {
        index: molecule.energy - above[index]
        for index, molecule in enumerate(dataset.molecules)
        if molecule.has_energy.any() and not molecule.is_relative
    }
    return {
        level: _fit(
            {index: rest for index, rest in remainders.items() if dataset.molecules[index].level == level}, dataset
        )
        for level in dataset.levels
    }


def _fit(remainders: Mapping[int, NDArray[np.float64]], dataset: Dataset) -> References:
    elements = dataset.elements
    if not remainders:
        return References(dict.fromkeys(elements, 0.0), 0)
    counts = np.array(
        [[np.sum(dataset.molecules[index].numbers == z) for z in elements] for index in remainders], float
    )
    medians = np.array([np.nanmedian(rest) for rest in remainders.values()])
    solution, _, rank, _ = np.linalg.lstsq(counts, medians, rcond=RELATIVE_RANK_TOLERANCE)
    return References(dict(zip(elements, solution.tolist(), strict=True)), int(rank))


def references_of(model: So3krates, dataset: Dataset) -> dict[str, References]:
    """Return the references that a model has for the elements of a data set, at all levels of the model in their order.

    Raises:
        InputError: The model does not know an element or a level of the data set.
    """
    model.check_elements(torch.tensor(dataset.elements))
    for level in dataset.levels:
        model.level_index(level)
    return {
        level: known_references(model.head(index), dataset.elements)
        for index, level in enumerate(model.settings.levels)
    }


def known_references(head: EnergyHead, elements: Sequence[int]) -> References:
    """Return the references that a head has for some elements."""
    return References({number: float(head.reference_energies[number]) for number in elements}, len(elements))
