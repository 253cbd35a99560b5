"""Training and validation sets that share no trajectory.

Neighbouring frames of a trajectory are nearly the same structure, so single frames held out would be no test at all.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pesx.errors import InputError
from pesx.training.dataset import Dataset, MoleculeFrames

LARGEST_SHARE = 0.5
"""No molecule gives away more than this part of its frames."""


def split(dataset: Dataset, fraction: float, *, seed: int) -> tuple[Dataset, Dataset]:
    """Hold out whole trajectories.

    What a molecule gave too little or too much is made up for by the following molecules, so the whole comes near to
    the fraction even if each molecule has few trajectories. A molecule with one trajectory gives none.

    Args:
        dataset: What to split.
        fraction: Part of the frames to hold out, above 0 and below 1.
        seed: Of the random choice.

    Returns:
        Training and validation frames.

    Raises:
        InputError: Not one trajectory can be held out.
    """
    order = np.random.default_rng(seed)
    owed = 0.0
    training, validation = [], []
    for molecule in dataset.molecules:
        owed += fraction * len(molecule)
        held_out = _choose(molecule, owed, order)
        owed -= int(held_out.sum())
        training.append(molecule.take(~held_out))
        if held_out.any():
            validation.append(molecule.take(held_out))
    if not validation:
        raise InputError(
            "Expected at least one trajectory that can be held out for validation, found none. "
            "Give frames of more than one trajectory, or raise the validation fraction."
        )
    return replace(dataset, molecules=tuple(training)), replace(dataset, molecules=tuple(validation))


def _choose(molecule: MoleculeFrames, wanted: float, order: np.random.Generator) -> NDArray[np.bool_]:
    """Take trajectories in random order as long as each brings the number of frames nearer to what is wanted."""
    held_out = np.zeros(len(molecule), dtype=bool)
    for trajectory in order.permutation(np.unique(molecule.trajectory)):
        rows = molecule.trajectory == trajectory
        after = held_out.sum() + rows.sum()
        brings_nearer = abs(after - wanted) < abs(held_out.sum() - wanted)
        if brings_nearer and after <= LARGEST_SHARE * len(molecule):
            held_out |= rows
    return held_out
