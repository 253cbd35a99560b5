"""A pesx model as a force of OpenMM (Eastman et al. 2024, doi:10.1021/acs.jpcb.3c06662), through its own ``PythonForce``."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.calculator import DTYPES
from pesx.errors import ConfigError, InputError, MissingExtraError
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load
from pesx.units import KJ_PER_MOL

ANGSTROM_PER_NM = 10.0


def openmm_force(
    molecule: Any,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "float64",
    *,
    particles: Sequence[int] | None = None,
    charge: int = 0,
    multiplicity: int = 1,
    long_range_cutoff: float | None = None,
) -> Any:
    """Return a force for ``System.addForce`` with the energy of a molecule in vacuum.

    OpenMM calls it with positions in nm and takes energies in kJ/mol and forces in kJ/mol/nm; they are converted here. It holds
    the weights, so a serialised System needs pesx but no model file.

    Args:
        molecule: An ``openmm.app.Topology``, or the atomic numbers of all particles of the System.
        model: A model file; None for the model that comes with pesx.
        device: "cpu", "cuda", or "auto" for a GPU if there is one; OpenMM's platform does not matter.
        dtype: "float32" or "float64".
        particles: Which particles make the molecule, by number; None for all. Whatever else acts within and on it is up to the
            other forces of the System.
        charge: Total charge, e.
        multiplicity: 2S+1.
        long_range_cutoff: Of electrostatics and dispersion, angstrom; None for that of the model.

    Raises:
        CheckpointError: The file cannot be read.
        ConfigError: The precision is unknown, or the model has no long-range part that could be cut off.
        InputError: A particle is no atom, all are in a periodic box, or the model does not know an element, the charge or the
            spin.
        MissingExtraError: OpenMM is not installed, or older than 8.5.
    """
    try:
        from openmm import PythonForce
    except ImportError as error:
        raise MissingExtraError("openmm>=8.5", "openmm") from error
    if dtype not in DTYPES:
        raise ConfigError(f"Expected dtype among {sorted(DTYPES)}, came {dtype!r}.")
    network, _ = load(model)
    if long_range_cutoff is not None:
        network = network.with_long_range_cutoff(long_range_cutoff)
    numbers = _atomic_numbers(molecule, particles)
    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    potential = LearnedPotential(network, torch.tensor(numbers), device=where, charge=charge, multiplicity=multiplicity)
    force = PythonForce(_Computation(potential, DTYPES[dtype]))
    if particles is not None:
        force.setParticles(list(particles))
    force.setName("pesx")
    return force


class _Computation:
    """What OpenMM calls; a class, because OpenMM pickles it with the System."""

    def __init__(self, potential: LearnedPotential, dtype: torch.dtype) -> None:
        self._potential, self._dtype = potential, dtype

    def __call__(self, state: Any) -> tuple[float, NDArray[np.float64]]:
        """Return energy, kJ/mol, and forces, kJ/mol/nm, of a state of OpenMM."""
        nanometres = state.getPositions(asNumpy=True)._value
        positions = torch.tensor(nanometres * ANGSTROM_PER_NM, dtype=self._dtype)[None]
        found = self._potential(positions)
        forces = found.forces[0].double().cpu().numpy() * (ANGSTROM_PER_NM / KJ_PER_MOL)
        return float(found.energy[0]) / KJ_PER_MOL, forces


def _atomic_numbers(molecule: Any, particles: Sequence[int] | None) -> list[int]:
    numbers: list[Any]
    if hasattr(molecule, "getPeriodicBoxVectors"):
        if particles is None and molecule.getPeriodicBoxVectors() is not None:
            raise InputError(
                "Expected a molecule in vacuum, came a topology with a periodic box; take the box away with "
                "topology.setPeriodicBoxVectors(None), or name the particles of the molecule."
            )
        numbers = [None if atom.element is None else atom.element.atomic_number for atom in molecule.atoms()]
    else:
        numbers = [int(number) for number in molecule]
    chosen = range(len(numbers)) if particles is None else particles
    strange = [place for place in chosen if not 0 <= place < len(numbers) or numbers[place] is None]
    if strange:
        raise InputError(f"Expected particles that are atoms, of {len(numbers)} in all, came numbers {strange}.")
    return [numbers[place] for place in chosen]


__all__ = ["openmm_force"]
