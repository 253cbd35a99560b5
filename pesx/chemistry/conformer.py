"""Positions as a conformer for RDKit."""

import numpy as np
import numpy.typing as npt
from rdkit import Chem


def conformer_of(positions: npt.ArrayLike) -> Chem.Conformer:
    """Return a conformer with these positions, (N, 3) in angstrom."""
    xyz = np.ascontiguousarray(positions, dtype=np.float64)
    conformer = Chem.Conformer(len(xyz))
    conformer.SetPositions(xyz)
    return conformer


__all__ = ["conformer_of"]
