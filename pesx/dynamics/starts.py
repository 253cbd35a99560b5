"""Where replicas start: the molecule, relaxed, or minima from a file."""

from pathlib import Path

import ase.io
import numpy as np
import torch

from pesx.errors import InputError
from pesx.guards.molecular import MolecularGuard
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.protocols import Potential
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.preconditioned import PreconditionedLbfgs
from pesx.relax.quench import Convergence, quench
from pesx.typing import Positions

_RELAXED = Convergence(fmax=1e-3, max_steps=1000)


def relaxed(potential: Potential, molecule: Molecule) -> Positions:
    """Return the molecule where its potential has a minimum, angstrom, float64, (1, N, 3).

    Raises:
        InputError: It does not come to rest, or not as this molecule.
    """
    relaxer = PreconditionedLbfgs(ModelHessian.for_descent(molecule))
    minima = quench(relaxer, potential, molecule.positions[None], convergence=_RELAXED)
    outcome = Outcome(int(minima.outcome[0]))
    if outcome == Outcome.CONVERGED:
        outcome = Outcome(int(MolecularGuard(molecule).outcome(minima.positions)[0]))
    if outcome != Outcome.CONVERGED:
        raise InputError(
            f"Expected a molecule that relaxes to a minimum with this potential; came: {outcome.sentence} Give another "
            "structure, or minima with --start."
        )
    return minima.positions


def read_starts(path: str | Path, molecule: Molecule) -> Positions:
    """Return the structures in a file, angstrom, float64, (S, N, 3).

    Args:
        path: Such as ``minima.extxyz`` of a run; all that ASE reads.
        molecule: Which they must be, atom by atom, with the same bonds, handedness and amides.

    Raises:
        InputError: The file cannot be read, or a structure is another molecule.
    """
    try:
        frames = ase.io.read(path, index=":")
    except Exception as error:  # readers of ASE raise anything
        raise InputError(f"Expected structures in {str(path)!r}; they cannot be read ({error}). Check it.") from error
    if not frames:
        raise InputError(f"Expected a structure or more in {str(path)!r}; came none. Give another file with --start.")
    numbers = molecule.numbers.numpy()
    for index, frame in enumerate(frames):
        if not np.array_equal(frame.numbers, numbers):
            raise InputError(
                f"Expected the atoms of {molecule.formula} in the order of --molecule in {str(path)!r}; came "
                f"{frame.get_chemical_formula()} or another order in frame {index}. Give that structure as --molecule too."
            )
    positions = torch.from_numpy(np.stack([frame.positions for frame in frames]).astype(np.float64))
    for index, code in enumerate(MolecularGuard(molecule).outcome(positions).tolist()):
        if code != Outcome.CONVERGED:
            raise InputError(
                f"Expected minima of the molecule that --molecule names in {str(path)!r}; in frame {index}: "
                f"{Outcome(code).sentence} Leave that out, or give such a structure as --molecule."
            )
    return positions


__all__ = ["read_starts", "relaxed"]
