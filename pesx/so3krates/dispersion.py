"""Dispersion between atoms as quantum Drude oscillators, sized by their Hirshfeld ratios.

Khabibrakhmanov, Fedorov and Tkatchenko 2023, doi:10.48550/arXiv.2309.14910; with predicted ratios, as in SO3LR: Kabylda et al.
2025, doi:10.1021/jacs.5c09558. How ratios scale polarisabilities: Tkatchenko and Scheffler 2009,
doi:10.1103/PhysRevLett.102.073005. Free atoms: Chu and Dalgarno 2004, doi:10.1063/1.1779576, as ASE has them.
"""

import torch
from ase.calculators.vdwcorrection import vdWDB_alphaC6
from ase.data import chemical_symbols
from torch import nn

from pesx.errors import ConfigError
from pesx.so3krates.cutoff import smooth_switch
from pesx.so3krates.molecular_pairs import MolecularPairs
from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Int, Tensor
from pesx.units import BOHR, HARTREE

FINE_STRUCTURE = 7.2973525693e-3

OSCILLATOR_WIDTH = (-0.00433008, 0.24428889, 0.04125273, -0.00078893)
"""Cubic polynomial for the width of the oscillator in its van der Waals radius, both in bohr."""

UNIT_RADIUS = 2.54
"""bohr; van der Waals radius of an atom with a polarisability of 1 atomic unit, as the damping takes it."""

LEAST_POLARISABILITY = 1e-2
"""Atomic units. Polarisabilities below count as this: the seventh root has no derivative at 0."""


class Dispersion(nn.Module):
    """-C6 / R^6 - C8 / R^8 - C10 / R^10, damped at short distance and switched off at a cutoff if there is one.

    Args:
        settings: Of the model.

    Raises:
        ConfigError: There are no data for an element.
    """

    polarisability: Tensor
    c6: Tensor

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.damping, self.cutoff = settings.dispersion_damping, settings.long_range_cutoff
        self.switch = settings.dispersion_switch
        polarisability, c6 = free_atoms(settings.elements)
        self.n_elements = len(c6)
        scaled = c6 / polarisability.square()
        pair = 2.0 * c6[:, None] * c6 / (polarisability[:, None] * polarisability * (scaled[:, None] + scaled))
        self.register_buffer("polarisability", polarisability.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("c6", pair.flatten().to(torch.get_default_dtype()), persistent=False)

    def forward(
        self, ratios: Float[Tensor, "A"], element: Int[Tensor, "A"], pairs: MolecularPairs
    ) -> Float[Tensor, "Q"]:
        """Return the dispersion energy of each pair, eV.

        Args:
            ratios: Hirshfeld ratios of the atoms.
            element: Place of each atom's element in the list of elements.
            pairs: Of atoms.
        """
        first, second = pairs.first, pairs.second
        sizes = ratios * self.polarisability.index_select(0, element)
        mean = 0.5 * (sizes.index_select(0, first) + sizes.index_select(0, second))
        kind = element.index_select(0, first) * self.n_elements + element.index_select(0, second)
        product = ratios.index_select(0, first) * ratios.index_select(0, second)
        energy = self._energy(pairs.distance / BOHR, mean, product * self.c6.index_select(0, kind))
        if self.cutoff is None:
            return energy
        return energy * smooth_switch(pairs.distance, self.cutoff - self.switch, self.cutoff)

    def _energy(
        self, distance: Float[Tensor, "Q"], polarisability: Float[Tensor, "Q"], c6: Float[Tensor, "Q"]
    ) -> Float[Tensor, "Q"]:
        """Return energies in eV from atomic units."""
        root = polarisability.clamp(min=LEAST_POLARISABILITY).pow(1.0 / 7.0)
        radius = FINE_STRUCTURE ** (-4.0 / 21.0) * root
        b0, b1, b2, b3 = OSCILLATOR_WIDTH
        width = ((b3 * radius + b2) * radius + b1) * radius + b0
        # The parameter of the oscillator is 1 / (2 width^2).
        inverse = 2.0 * width * width
        d2 = distance * distance
        p2 = (self.damping * 2.0 * UNIT_RADIUS * root).square()
        d6, p6 = d2 * d2 * d2, p2 * p2 * p2
        c8, c10 = 5.0 * inverse, 245.0 / 8.0 * inverse * inverse
        terms = 1.0 / (d6 + p6) + c8 / (d6 * d2 + p6 * p2) + c10 / (d6 * d2 * d2 + p6 * p2 * p2)
        energy: Tensor = -HARTREE * c6 * terms
        return energy


def free_atoms(elements: tuple[int, ...]) -> tuple[Float[Tensor, "E"], Float[Tensor, "E"]]:
    """Return polarisabilities and C6 coefficients of free atoms, atomic units.

    Raises:
        ConfigError: There are none for an element.
    """
    symbols = [chemical_symbols[number] for number in elements]
    missing = [symbol for symbol in symbols if symbol not in vdWDB_alphaC6]
    if missing:
        raise ConfigError(
            f"Expected elements with known dispersion coefficients, came {', '.join(missing)}; leave them out, or set "
            "dispersion to false."
        )
    table = torch.tensor([vdWDB_alphaC6[symbol] for symbol in symbols], dtype=torch.float64)
    return table[:, 0], table[:, 1]


__all__ = ["FINE_STRUCTURE", "LEAST_POLARISABILITY", "OSCILLATOR_WIDTH", "UNIT_RADIUS", "Dispersion", "free_atoms"]
