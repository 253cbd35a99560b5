"""Equipartition: whether every element has the same kinetic temperature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray

from pesx.molecule import Molecule
from pesx.units import ACCELERATION, BOLTZMANN

Array = NDArray[Any]


@dataclass(frozen=True)
class Equipartition:
    """Kinetic temperatures by element.

    Attributes:
        elements: Symbols.
        temperature: Mean of each, K.
        error: Standard error of each from means over blocks, K; NaN of fewer than four blocks.
        deviation: Difference of each from the mean over all atoms, in standard errors of that difference; NaN where unknown.
    """

    elements: tuple[str, ...]
    temperature: Array
    error: Array
    deviation: Array

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers by element."""
        rows = zip(self.elements, self.temperature, self.error, self.deviation, strict=True)
        return {
            symbol: {"temperature_k": _plain(mean), "error_k": _plain(error), "deviation": _plain(deviation)}
            for symbol, mean, error, deviation in rows
        }


def elements(molecule: Molecule) -> list[str]:
    """Return the symbols of the elements of a molecule, ascending by atomic number."""
    return [chemical_symbols[number] for number in sorted(set(molecule.numbers.tolist()))]


def element_temperatures(velocities: torch.Tensor, molecule: Molecule) -> Array:
    """Return the kinetic temperature of each element in each frame, (T, E), K.

    Every atom counts as three degrees of freedom, less its share, by mass, in the three of the centre of mass, whose motion is
    taken out.

    Args:
        velocities: Angstrom/fs.
        molecule: For elements and masses.
    """
    masses = molecule.masses
    v = velocities.to(torch.float64)
    share = masses / masses.sum()
    v = v - (share[:, None] * v).sum(dim=1, keepdim=True)
    twice = (masses[:, None] * v**2).sum(-1) / (ACCELERATION * BOLTZMANN)
    freedom = 3.0 * (1.0 - share)
    columns = []
    for number in sorted(set(molecule.numbers.tolist())):
        mine = molecule.numbers == number
        columns.append(twice[:, mine].sum(dim=1) / freedom[mine].sum())
    return np.asarray(torch.stack(columns, dim=1).numpy())


def equipartition(molecule: Molecule, means: Sequence[Array]) -> Equipartition:
    """Return the temperatures by element from their means over blocks of equal length.

    Args:
        molecule: For elements.
        means: Of each block, (E,), K.
    """
    values = np.stack(means)
    counts = np.array([int((molecule.numbers == number).sum()) for number in sorted(set(molecule.numbers.tolist()))])
    overall = values @ (counts / counts.sum())
    apart = values - overall[:, None]
    n = len(values)
    has_errors = n >= 4
    unknown = np.full(values.shape[1], np.nan)
    error = values.std(axis=0, ddof=1) / np.sqrt(n) if has_errors else unknown
    spread = apart.std(axis=0, ddof=1) / np.sqrt(n) if has_errors else unknown
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.where(spread > 0, apart.mean(axis=0) / spread, np.nan)
    return Equipartition(tuple(elements(molecule)), values.mean(axis=0), error, deviation)


def _plain(value: float) -> float | None:
    return None if value != value else float(value)


__all__ = ["Equipartition", "element_temperatures", "elements", "equipartition"]
