"""The kinds of atoms of one molecule: what is known of an atom before its neighbours are looked at."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates
from pesx.typing import Float, Int, Tensor


@dataclass(frozen=True)
class Kinds:
    """The elements of a molecule.

    The share that an atom has in charge and spin depends on its element and on the elements of the whole molecule. So
    atoms of one element begin with the same features, and tables by element serve charged molecules too.

    Attributes:
        place: Place of each in the model's list of elements.
        features: What atoms of each begin with.
        of_atom: Which of them each atom is.
        charge: Of the molecule, e.
    """

    place: NDArray[np.int64]
    features: Float[Tensor, "E F"]
    of_atom: NDArray[np.int64]
    charge: int


def find_kinds(model: So3krates, numbers: Int[Tensor, "N"], *, charge: int, n_unpaired: int) -> Kinds:
    """Return the elements of a molecule.

    Args:
        model: On the CPU; knows all of them.
        numbers: Atomic numbers.
        charge: Total charge, e.
        n_unpaired: Unpaired electrons.
    """
    atoms = model.element_place[numbers]
    place, first, of_atom = np.unique(atoms.numpy(), return_index=True, return_inverse=True)
    anywhere = model.embedding.weight.new_zeros(1, len(numbers), 3)
    graph = replicas(numbers, anywhere, model.settings.cutoff, charge=charge, n_unpaired=n_unpaired)
    with torch.no_grad():
        features = model.embedding(atoms, graph)[torch.from_numpy(first)]
    return Kinds(place, features, of_atom, charge)


__all__ = ["Kinds", "find_kinds"]
