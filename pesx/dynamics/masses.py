"""Masses of atoms for dynamics: heavier hydrogens, and the unit in which forces are accelerations."""

import torch

from pesx.errors import ConfigError
from pesx.molecule import Molecule
from pesx.typing import Float, Tensor
from pesx.units import ACCELERATION

_HYDROGEN = 1


def repartitioned(molecule: Molecule, hydrogen_mass: float) -> Float[Tensor, "N"]:
    """Return masses with heavier hydrogens, u; what a hydrogen gains its heavy neighbour loses.

    The fastest vibrations are those of hydrogens, so the time step can be longer. Masses change no average over
    configurations, only how fast things happen; the mass of the molecule stays what it is. Hydrogens bonded to no heavy atom,
    as in H2, keep theirs. Source: Hopkins et al. 2015, doi:10.1021/ct5010406.

    Args:
        molecule: With bonds.
        hydrogen_mass: Of every hydrogen that is bonded to a heavy atom, u.

    Raises:
        ConfigError: It is below the mass of hydrogen, or would leave a heavy atom lighter than its hydrogens.
    """
    masses = molecule.masses.clone()
    is_hydrogen = molecule.numbers == _HYDROGEN
    natural = float(masses[is_hydrogen].min()) if bool(is_hydrogen.any()) else 0.0
    if not hydrogen_mass >= natural:
        raise ConfigError(
            f"Expected a mass of hydrogen of at least {natural} u; came {hydrogen_mass}. Give more, or leave it out."
        )
    given: set[int] = set()
    for pair in molecule.bonds.tolist():
        for hydrogen, heavy in (pair, pair[::-1]):
            if is_hydrogen[hydrogen] and not is_hydrogen[heavy] and hydrogen not in given:
                masses[heavy] -= hydrogen_mass - masses[hydrogen]
                masses[hydrogen] = hydrogen_mass
                given.add(hydrogen)
    lightest = float(masses[~is_hydrogen].min()) if bool((~is_hydrogen).any()) else torch.inf
    if given and not lightest >= hydrogen_mass:
        atom = int(torch.where(is_hydrogen, torch.inf, masses).argmin())
        raise ConfigError(
            f"Expected a mass of hydrogen that leaves every heavy atom at least as heavy; with {hydrogen_mass} u atom "
            f"{atom} ({molecule.symbols[atom]}) is left with {lightest:.3f} u. Give less; 2 to 3 u are usual."
        )
    return masses


def inertial(masses: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Return masses (u) in eV fs^2/angstrom^2: then forces over masses are accelerations, and m v^2 / 2 is in eV.

    In reduced units no factor is needed, so integrators take masses in this form and know no units.
    """
    return masses.double() / ACCELERATION


__all__ = ["inertial", "repartitioned"]
