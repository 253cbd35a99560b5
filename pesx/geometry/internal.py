"""Bonded terms of a molecule, and how they change when its atoms move: the rows of Wilson's B matrix.

Wilson, Decius and Cross, Molecular Vibrations (1955), chapter 4; torsions as in Bakken and Helgaker 2002,
doi:10.1063/1.1515483.
"""

from itertools import combinations, product

import torch

from pesx.typing import Float, Int, Positions, Tensor

_STRAIGHT = 0.1
"""Sine below which an angle counts as straight: derivatives of bends and torsions diverge there."""


def bonded_angles(bonds: Int[Tensor, "E 2"]) -> Int[Tensor, "A 3"]:
    """Return all angles i-j-k between bonds, the vertex in the middle."""
    near = _neighbours(bonds)
    angles = [(i, j, k) for j, around in near.items() for i, k in combinations(around, 2)]
    return torch.tensor(angles, dtype=torch.long).reshape(-1, 3)


def bonded_torsions(bonds: Int[Tensor, "E 2"]) -> Int[Tensor, "T 4"]:
    """Return all torsions i-j-k-l along three bonds."""
    near = _neighbours(bonds)
    torsions = [
        (first, j, k, last)
        for j, k in bonds.tolist()
        for first, last in product(near[j], near[k])
        if first != k and last != j and first != last
    ]
    return torch.tensor(torsions, dtype=torch.long).reshape(-1, 4)


def _neighbours(bonds: Int[Tensor, "E 2"]) -> dict[int, list[int]]:
    near: dict[int, list[int]] = {}
    for i, j in bonds.tolist():
        near.setdefault(i, []).append(j)
        near.setdefault(j, []).append(i)
    return near


def angle_rows(positions: Positions, angles: Int[Tensor, "A 3"]) -> Float[Tensor, "B A 3 3"]:
    """Return the derivative of each angle with respect to its three atoms, radian/angstrom; zero for straight angles.

    Args:
        positions: Angstrom.
        angles: Atoms i-j-k, the vertex in the middle.
    """
    i, j, k = (positions[:, angles[:, column]] for column in range(3))
    u, u_length = _unit(i - j)
    v, v_length = _unit(k - j)
    cosine = (u * v).sum(dim=-1, keepdim=True)
    sine = (1.0 - cosine**2).clamp(min=_STRAIGHT**2).sqrt()
    at_i = (cosine * u - v) / (u_length * sine)
    at_k = (cosine * v - u) / (v_length * sine)
    return torch.stack([at_i, -at_i - at_k, at_k], dim=2)


def torsion_rows(positions: Positions, torsions: Int[Tensor, "T 4"]) -> Float[Tensor, "B T 4 3"]:
    """Return the derivative of each torsion with respect to its four atoms, radian/angstrom.

    Where three of the atoms lie on a line the torsion has no meaning, and its row is kept small.

    Args:
        positions: Angstrom.
        torsions: Atoms i-j-k-l.
    """
    i, j, k, l = (positions[:, torsions[:, column]] for column in range(4))  # noqa: E741
    u, u_length = _unit(i - j)
    w, w_length = _unit(k - j)
    v, v_length = _unit(l - k)
    cosine_u, cosine_v = (u * w).sum(dim=-1, keepdim=True), -(v * w).sum(dim=-1, keepdim=True)
    square_u = (1.0 - cosine_u**2).clamp(min=_STRAIGHT**2)
    square_v = (1.0 - cosine_v**2).clamp(min=_STRAIGHT**2)
    normal_u = torch.linalg.cross(u, w) / square_u
    normal_v = torch.linalg.cross(v, w) / square_v
    at_i = normal_u / u_length
    at_l = -normal_v / v_length
    at_j = -at_i + (normal_u * cosine_u + normal_v * cosine_v) / w_length
    return torch.stack([at_i, at_j, -at_i - at_j - at_l, at_l], dim=2)


def _unit(vectors: Tensor) -> tuple[Tensor, Tensor]:
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp(min=1e-6)
    return vectors / length, length
