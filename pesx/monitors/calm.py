"""Rows in which no definition of geometry begins anything, found in one pass of compiled code.

Nearly all frames of a trajectory are such. A row that is called calm here is so for every definition; one that is not
called calm may still be, so the definitions remain the only judges. Distances and triple products are compared with a
margin, for rounding.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from pesx.chemistry.perceive import CIS, CIS_BELOW, TRANS, TRANS_ABOVE
from pesx.monitors.centres import DEAD_ZONE
from pesx.monitors.clashes import CLASH_FACTOR
from pesx.monitors.compiled import compiled
from pesx.monitors.view import BROKEN_FACTOR, Pairs
from pesx.typing import Float, Int, Mask, Positions, Tensor

_MARGIN = 1e-4
"""Relative; a thousand times the rounding of float32 distances."""


@dataclass(frozen=True, eq=False)
class Calm:
    """What must hold in a calm row.

    Attributes:
        pairs: All pairs of the molecule.
        limits: Ratio below which each free pair is bonded.
        centres: Each centre with three neighbours.
        handedness: Sign of the triple product of each in the reference.
        torsions: Torsions about amides and double bonds.
        classes: TRANS or CIS of each in the reference.
    """

    pairs: Pairs
    limits: Float[Tensor, "Q"]
    centres: Int[Tensor, "S 4"]
    handedness: Float[Tensor, "S"]
    torsions: Int[Tensor, "T 4"]
    classes: Int[Tensor, "T"]

    @cached_property
    def _tables(self) -> tuple[np.ndarray, ...]:
        n_atoms = len(self.pairs.number)
        lower = torch.full((len(self.pairs.atoms),), CLASH_FACTOR, dtype=torch.float64)
        upper = torch.full_like(lower, torch.inf)
        lower[self.pairs.free] = self.limits.to(torch.float64).clamp(min=CLASH_FACTOR)
        upper[self.pairs.bonded] = BROKEN_FACTOR
        squares = torch.zeros(2, n_atoms, n_atoms, dtype=torch.float64)
        i, j = self.pairs.atoms.T
        squares[0, i, j] = (lower * (1 + _MARGIN) * self.pairs.reach) ** 2
        squares[1, i, j] = (upper * (1 - _MARGIN) * self.pairs.reach) ** 2
        # Cosines of omega: a trans torsion is calm while it is not cis, and the other way round.
        cis, trans = np.cos(np.radians([CIS_BELOW, TRANS_ABOVE]))
        is_trans, is_cis = self.classes == TRANS, self.classes == CIS
        highest = torch.where(is_trans, float(cis) - _MARGIN, torch.inf)
        lowest = torch.where(is_cis, float(trans) + _MARGIN, -torch.inf)
        return (
            squares.to(torch.float32).numpy(),
            self.centres.numpy(),
            self.handedness.to(torch.float32).numpy(),
            self.torsions.numpy(),
            torch.stack([lowest, highest]).to(torch.float32).numpy(),
        )

    def rows(self, positions: Positions) -> Mask:
        """Return the rows in which nothing begins; on the CPU."""
        squares, centres, handedness, torsions, cosines = self._tables
        is_calm = np.empty(len(positions), dtype=np.bool_)
        # From the first atom, so that nothing is lost far from the origin.
        near = positions - positions[:, :1]
        values = np.ascontiguousarray(near.detach().numpy(), dtype=np.float32)
        _judge(values, squares, centres, handedness, np.float32(_MARGIN - DEAD_ZONE), torsions, cosines, is_calm)
        return torch.from_numpy(is_calm)


@compiled
def _judge(x, squares, centres, handedness, least, torsions, cosines, is_calm):  # type: ignore[no-untyped-def] # pragma: no cover
    columns = np.empty((3, x.shape[1]), dtype=x.dtype)
    for row in range(len(x)):
        for atom in range(x.shape[1]):  # column by column, so that one instruction takes several atoms
            columns[0, atom], columns[1, atom], columns[2, atom] = x[row, atom, 0], x[row, atom, 1], x[row, atom, 2]
        is_calm[row] = (
            _distances_are_calm(columns, squares)
            and _centres_are_calm(columns, centres, handedness, least)
            and _torsions_are_calm(columns, torsions, cosines)
        )


@compiled
def _distances_are_calm(x, squares):  # type: ignore[no-untyped-def] # pragma: no cover
    n_atoms = x.shape[1]
    n_inside = 0
    for i in range(n_atoms):
        u, v, w = x[0, i], x[1, i], x[2, i]
        for j in range(i + 1, n_atoms):
            a, b, c = x[0, j] - u, x[1, j] - v, x[2, j] - w
            square = a * a + b * b + c * c
            n_inside += int((square >= squares[0, i, j]) & (square <= squares[1, i, j]))  # not so for NaN
    return n_inside == n_atoms * (n_atoms - 1) // 2


@compiled
def _centres_are_calm(x, centres, handedness, least):  # type: ignore[no-untyped-def] # pragma: no cover
    for s in range(len(centres)):
        o, i, j, k = centres[s, 0], centres[s, 1], centres[s, 2], centres[s, 3]
        a, b, c = _arm(x, o, i), _arm(x, o, j), _arm(x, o, k)
        volume = _dot(a, _cross(b, c))
        size = np.sqrt(_dot(a, a) * _dot(b, b) * _dot(c, c))
        if not volume * handedness[s] > least * size:
            return False
    return True


@compiled
def _torsions_are_calm(x, torsions, cosines):  # type: ignore[no-untyped-def] # pragma: no cover
    for t in range(len(torsions)):
        i, j, k, m = torsions[t, 0], torsions[t, 1], torsions[t, 2], torsions[t, 3]
        axis = _arm(x, j, k)
        first, second = _cross(_arm(x, i, j), axis), _cross(axis, _arm(x, k, m))
        along = _dot(first, second)
        size = np.sqrt(_dot(first, first) * _dot(second, second))
        if not (along > cosines[0, t] * size and along < cosines[1, t] * size):
            return False
    return True


@compiled
def _arm(x, i, j):  # type: ignore[no-untyped-def] # pragma: no cover
    return x[0, j] - x[0, i], x[1, j] - x[1, i], x[2, j] - x[2, i]


@compiled
def _dot(u, v):  # type: ignore[no-untyped-def] # pragma: no cover
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


@compiled
def _cross(u, v):  # type: ignore[no-untyped-def] # pragma: no cover
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


__all__ = ["Calm"]
