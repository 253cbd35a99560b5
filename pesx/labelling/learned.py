"""A trained model as the surface of a trajectory whose frames an engine will label.

Frames from the model's own dynamics lie where searches and simulations with it will be, in the basins of the engine or near
them, and cost one engine call each; a trajectory on the engine costs one call for every step between frames.
"""

from collections.abc import Iterable
from functools import lru_cache

import torch

from pesx.engines.engine import Evaluate, FloatArray
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load, model_hash


def learned_surface(path: str, numbers: tuple[int, ...], *, charge: int, multiplicity: int) -> Evaluate:
    """Return the energy (eV) and forces (eV/angstrom) of a model as a function of positions (angstrom).

    Raises:
        CheckpointError: There is no such model, or the file is none.
        InputError: The model does not know an element of the molecule, or its charge or spin.
    """
    potential = _potential(path, numbers, charge, multiplicity)

    def evaluate(positions: FloatArray) -> tuple[float, FloatArray]:
        found = potential(torch.as_tensor(positions, dtype=torch.float32)[None])
        forces: FloatArray = found.forces[0].double().numpy()
        return float(found.energy[0]), forces

    return evaluate


def check_model(path: str, molecules: Iterable[tuple[tuple[int, ...], int, int]]) -> str:
    """Make sure that a model can run trajectories of molecules.

    Args:
        path: File of the model.
        molecules: Atomic numbers, total charge (e) and multiplicity of each.

    Returns:
        The hash of settings and weights.

    Raises:
        CheckpointError: There is no such model, or the file is none.
        InputError: The model does not know an element, a charge or a spin.
    """
    model, _ = load(path)
    for numbers, charge, multiplicity in molecules:
        model.check_elements(torch.tensor(numbers))
        model.check_electrons(charge, multiplicity)
    return model_hash(model)


@lru_cache(maxsize=64)
def _potential(path: str, numbers: tuple[int, ...], charge: int, multiplicity: int) -> LearnedPotential:
    # Kept between tasks: its radial tables take as long as hundreds of evaluations.
    model, _ = load(path)
    return LearnedPotential(model, torch.tensor(numbers), charge=charge, multiplicity=multiplicity, n_threads=1)


__all__ = ["check_model", "learned_surface"]
