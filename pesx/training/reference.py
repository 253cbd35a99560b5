"""Reference energies of the elements, by least squares over compositions.

E(molecule) ~ sum_z n_z e_z. The network is left with the remainder, which is of the order of an eV.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pesx.so3krates.model import So3krates
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


def fit_references(dataset: Dataset) -> References:
    """Fit one energy per element to the median energy of each molecule, all molecules weighing the same.

    Where compositions do not determine the energies, the solution with the smallest norm is taken. The median keeps a
    few strongly distorted frames from shifting the zero.
    """
    elements = dataset.elements
    counts = np.array(
        [[np.sum(molecule.numbers == z) for z in elements] for molecule in dataset.molecules], dtype=np.float64
    )
    medians = np.array([np.median(molecule.energy) for molecule in dataset.molecules])
    solution, _, rank, _ = np.linalg.lstsq(counts, medians, rcond=RELATIVE_RANK_TOLERANCE)
    return References(dict(zip(elements, solution.tolist(), strict=True)), int(rank))


def references_of(model: So3krates, dataset: Dataset) -> References:
    """Return the references that a model has for the elements of a data set.

    Raises:
        InputError: The model does not know an element.
    """
    model.check_elements(torch.tensor(dataset.elements))
    known = model.head().reference_energies.tolist()
    return References({number: known[number] for number in dataset.elements}, len(dataset.elements))
