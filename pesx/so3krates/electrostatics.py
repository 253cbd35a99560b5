"""The Coulomb energy of partial charges, damped where the network describes the interaction itself.

As in SO3LR: Kabylda et al. 2025, doi:10.1021/jacs.5c09558.
"""

import math

import torch

from pesx.so3krates.cutoff import smooth_switch
from pesx.so3krates.molecular_pairs import MolecularPairs
from pesx.typing import Float, Tensor
from pesx.units import BOHR, HARTREE

COULOMB = HARTREE * BOHR
"""eV angstrom / e^2."""

SWITCH_START = 0.45
"""Part of the cutoff at which the shift of the energy begins to turn into a shift of the force."""


def coulomb_energy(
    charges: Float[Tensor, "A"], pairs: MolecularPairs, *, damping: float, cutoff: float | None
) -> Float[Tensor, "Q"]:
    """Return the Coulomb energy of each pair, eV.

    Args:
        charges: Of the atoms, e.
        pairs: Of atoms.
        damping: Width of the error function, angstrom.
        cutoff: Angstrom; None for none.
    """
    product = charges.index_select(0, pairs.first) * charges.index_select(0, pairs.second)
    distance = pairs.distance
    kernel = damped_kernel(distance, damping) if cutoff is None else truncated_kernel(distance, damping, cutoff)
    return COULOMB * product * kernel


def damped_kernel(distance: Float[Tensor, "Q"], damping: float) -> Float[Tensor, "Q"]:
    """Return erf(d / damping) / d, 1/angstrom; distances above 0 in angstrom."""
    return torch.erf(distance / damping) / distance


def truncated_kernel(distance: Float[Tensor, "Q"], damping: float, cutoff: float) -> Float[Tensor, "Q"]:
    """Return the damped kernel brought to zero at a cutoff, and its first derivative with it.

    Near atoms see it shifted by a constant, so their forces are exact; towards the cutoff it is shifted by a line. The second
    derivative has a jump at the cutoff, of the size it has there without one.

    Args:
        distance: Angstrom.
        damping: Angstrom.
        cutoff: Angstrom.
    """
    x = cutoff / damping
    at_cutoff = math.erf(x) / cutoff
    slope = 2.0 * math.exp(-x * x) / (math.sqrt(math.pi) * damping * cutoff) - at_cutoff / cutoff
    far = 1.0 - smooth_switch(distance, SWITCH_START * cutoff, cutoff)
    shifted = damped_kernel(distance, damping) - at_cutoff - far * slope * (distance - cutoff)
    return shifted.where(distance < cutoff, 0.0)


__all__ = ["COULOMB", "SWITCH_START", "coulomb_energy", "damped_kernel", "truncated_kernel"]
