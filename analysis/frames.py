"""The frames of one molecule in a data set, in the order of its atoms."""

import numpy as np
import torch
from rdkit import rdBase

from pesx.chemistry.perceive import perceive_bonds
from pesx.chemistry.symmetry import bond_graph
from pesx.errors import InputError
from pesx.molecule import Molecule
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.typing import Float, Int, Tensor

_TRIALS = 200
"""Frames looked at for one whose bonds are all there; distorted ones may have lost some."""


def frames_of(molecule: Molecule, data: Dataset) -> Float[Tensor, "F N 3"]:
    """Return all frames of a molecule, whatever the order of atoms in the data, angstrom, float64.

    Two are the same molecule if charge, multiplicity and the graph of bonds are; handedness is not looked at.

    Raises:
        InputError: There are none.
    """
    found = []
    for one in data.molecules:
        order = _order(molecule, one)
        if order is not None:
            found.append(torch.from_numpy(one.positions).double()[:, order])
    if not found:
        names = ", ".join(dict.fromkeys(one.name for one in data.molecules))
        raise InputError(
            f"Expected frames of {molecule.name or molecule.formula}; came {names}. Give the data that the model was "
            "trained on, with --data."
        )
    return torch.cat(found)


def _order(molecule: Molecule, frames: MoleculeFrames) -> Int[Tensor, "N"] | None:
    """Return which atom of the frames each atom of the molecule is; None where they are of another molecule."""
    if (frames.charge, frames.multiplicity) != (molecule.charge, molecule.multiplicity):
        return None
    numbers = torch.from_numpy(frames.numbers)
    if not torch.equal(numbers.sort().values, molecule.numbers.sort().values):
        return None
    own = {tuple(bond) for bond in molecule.bonds.tolist()}
    for row in np.unique(np.linspace(0, len(frames) - 1, min(_TRIALS, len(frames))).round().astype(int)):
        positions = torch.from_numpy(frames.positions[row]).double()
        bonds = perceive_bonds(numbers, positions)
        if len(bonds) != len(own):
            continue
        if torch.equal(numbers, molecule.numbers) and {tuple(bond) for bond in bonds.tolist()} == own:
            return torch.arange(molecule.n_atoms)
        match = _match(molecule, Molecule(numbers, positions, bonds=bonds))
        if match:
            return torch.tensor(match)
    return None


def _match(molecule: Molecule, other: Molecule) -> tuple[int, ...]:
    """Return the atoms of the other graph, of as many atoms and bonds, in the order of the first; empty if they differ."""
    with rdBase.BlockLogs():
        match: tuple[int, ...] = bond_graph(other).GetSubstructMatch(bond_graph(molecule))
    return match


__all__ = ["frames_of"]
