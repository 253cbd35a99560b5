"""Torsion angles, rotation about bonds, and the handedness of centres."""

import torch

from pesx.typing import Bool, Float, Int, PerReplica, Positions, Tensor


def torsion_angles(positions: Positions, quads: Int[Tensor, "T 4"]) -> Float[Tensor, "B T"]:
    """Return torsion angles i-j-k-l in (-pi, pi], radian.

    Positive when, looking from j to k, the bond k-l is turned clockwise from i-j (IUPAC, doi:10.1351/goldbook.T06406).

    Args:
        positions: Angstrom.
        quads: Atoms i, j, k, l of each torsion.
    """
    i, j, k, l = (positions[:, quads[:, column]] for column in range(4))  # noqa: E741
    axis = k - j
    normal_1 = torch.linalg.cross(j - i, axis)
    normal_2 = torch.linalg.cross(axis, l - k)
    sine = (torch.linalg.cross(normal_1, normal_2) * axis).sum(-1) / torch.linalg.vector_norm(axis, dim=-1)
    return torch.atan2(sine, (normal_1 * normal_2).sum(-1))


def rotate_about_bond(
    positions: Positions, bond: Int[Tensor, "2"], moving: Bool[Tensor, "N"], angle: PerReplica
) -> Positions:
    """Turn some atoms of each replica about a bond.

    Args:
        positions: Angstrom.
        bond: The fixed and the moving atom of the axis.
        moving: The atoms to turn: those on the side of the moving atom.
        angle: Radian; the torsion about the bond grows by this much.

    Source: Rodrigues' rotation formula.
    """
    origin = positions[:, bond[0], None]
    axis = torch.nn.functional.normalize(positions[:, bond[1], None] - origin, dim=-1)
    arm = positions - origin
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    along = (arm * axis).sum(-1, keepdim=True) * axis
    turned = along + (arm - along) * cosine + torch.linalg.cross(axis.expand_as(arm), arm) * sine
    return torch.where(moving[:, None], origin + turned, positions)


def triple_products(positions: Positions, quads: Int[Tensor, "S 4"]) -> Float[Tensor, "B S"]:
    """Return the handedness of centres: the volume spanned by unit vectors to three neighbours, in [-1, 1].

    An ideal tetrahedral centre has 0.77 in absolute value, a planar one 0; the sign is the handedness.

    Args:
        positions: Angstrom.
        quads: Centre and three of its neighbours.
    """
    arms = torch.nn.functional.normalize(positions[:, quads[:, 1:]] - positions[:, quads[:, :1]], dim=-1)
    volume: Tensor = (arms[:, :, 0] * torch.linalg.cross(arms[:, :, 1], arms[:, :, 2])).sum(-1)
    return volume
