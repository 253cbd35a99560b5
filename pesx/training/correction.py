"""What accurate labels add to cheap ones: learnt where a structure has both, put on the cheap labels of all others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pesx.config import require
from pesx.errors import InputError
from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.evaluate import predictions

SAME_STRUCTURE = 1e-3
"""Two frames are of one structure if no sum over all atoms of squared distances exceeds the square of this, angstrom."""


@dataclass(frozen=True)
class CorrectionSettings:
    """How cheap labels are corrected.

    Attributes:
        networks: How many networks learn the correction, from other random weights and splits; their mean is taken.
    """

    networks: int = 3

    def __post_init__(self) -> None:
        require(self, at_least_one=("networks",))


@dataclass(frozen=True)
class Corrected:
    """Cheap frames with corrected labels.

    Attributes:
        data: The frames, at the accurate level.
        spread: Of the corrected force on each atom, (K, N) for each molecule: root mean square of a component over the networks
            about their mean, eV/angstrom; zeros for one network.
    """

    data: Dataset
    spread: tuple[NDArray[np.float64], ...]


def differences(accurate: Dataset, cheap: Dataset) -> Dataset:
    """Return accurate less cheap labels for the structures that have both.

    Args:
        accurate: Frames of one level.
        cheap: Frames of one level, among which the structures of accurate ones are looked for: same atoms in the same order,
            same positions.

    Raises:
        InputError: A data set has several levels, or no structure has both labels.
    """
    level = f"{_only_level(accurate)} less {_only_level(cheap)}"
    found = [
        _difference(one, other, level)
        for one in accurate.molecules
        for other in cheap.molecules
        if _is_same_molecule(one, other)
    ]
    data = Dataset(tuple(molecule for molecule in found if len(molecule)))
    if not len(data):
        raise InputError(
            "Expected cheap labels of the structures that have accurate ones, to learn the difference from; came "
            "none in common. Label the accurate structures at the cheap level too, and give these labels among the cheap ones."
        )
    return data


def corrected(cheap: Dataset, networks: Sequence[So3krates], level: str) -> Corrected:
    """Add what networks say to cheap labels.

    Args:
        cheap: The frames.
        networks: Trained on differences; the first head of each answers.
        level: Of the labels that come of it.
    """
    found = [predictions(network, cheap) for network in networks]
    molecules, spread = [], []
    for index, molecule in enumerate(cheap.molecules):
        energy = np.stack([of_network[index].energy for of_network in found])
        forces = np.stack([of_network[index].forces for of_network in found])
        molecules.append(
            replace(
                molecule,
                level=level,
                energy=molecule.energy + energy.mean(axis=0),
                forces=(molecule.forces + forces.mean(axis=0)).astype(np.float32),
            )
        )
        spread.append(np.sqrt(forces.var(axis=0).mean(axis=2)))
    return Corrected(Dataset(tuple(molecules)), tuple(spread))


def _only_level(data: Dataset) -> str:
    if len(data.levels) != 1:
        raise InputError(
            f"Expected accurate labels of one level and cheap labels of one to correct, came "
            f"{', '.join(map(repr, data.levels))} together. Leave the others out."
        )
    return data.levels[0]


def _is_same_molecule(one: MoleculeFrames, other: MoleculeFrames) -> bool:
    return np.array_equal(one.numbers, other.numbers) and (one.charge, one.multiplicity) == (
        other.charge,
        other.multiplicity,
    )


def _difference(accurate: MoleculeFrames, cheap: MoleculeFrames, level: str) -> MoleculeFrames:
    tree = cKDTree(cheap.positions.reshape(len(cheap), -1))
    distance, partner = tree.query(accurate.positions.reshape(len(accurate), -1), distance_upper_bound=SAME_STRUCTURE)
    rows = np.flatnonzero(np.isfinite(distance))
    both, partners = accurate.take(rows), cheap.take(partner[rows])
    return replace(
        both,
        level=level,
        energy=both.energy - partners.energy,
        forces=both.forces - partners.forces,
        is_relative=accurate.is_relative or cheap.is_relative,
    )
