"""Superposition of structures: the rotation of least RMSD, for a batch at once."""

import torch

from pesx.typing import Float, Tensor

Structures = Float[Tensor, "*#B N 3"]
"""Any number of leading axes, which broadcast."""

Rotations = Float[Tensor, "*#B 3 3"]


def centre(positions: Structures) -> Structures:
    """Return the positions with the mean of each replica at the origin, angstrom."""
    return positions - positions.mean(dim=-2, keepdim=True)


def rmsd(a: Structures, b: Structures) -> Float[Tensor, "*#B"]:
    """Return the root mean square distance between like-numbered atoms, in the unit of the positions, as they lie."""
    return (a - b).square().sum(dim=-1).mean(dim=-1).sqrt()


def kabsch(mobile: Structures, target: Structures) -> Rotations:
    """Return the proper rotation that carries each centred replica onto its centred target with the least RMSD.

    Args:
        mobile: Coordinates to rotate, angstrom.
        target: Coordinates to match, same atom order, angstrom.

    Returns:
        Matrices R; apply them as ``centre(mobile) @ R.mT``. Rows that are not finite get the identity.

    Accuracy: round-off. Not unique for collinear atoms; the RMSD is right all the same.

    Source: Kabsch 1976, doi:10.1107/S0567739476001873.
    """
    covariance = centre(mobile).mT @ centre(target)
    identity = torch.eye(3, dtype=covariance.dtype, device=covariance.device)
    # One row that is not finite would make the decomposition of the whole batch fail.
    finite = torch.isfinite(covariance).all(dim=-1).all(dim=-1)[..., None, None]
    left, _, right = torch.linalg.svd(torch.where(finite, covariance, identity))
    handedness = torch.linalg.det(left @ right)
    flip = torch.ones_like(covariance[..., 0])
    flip[..., 2] = torch.where(handedness < 0, -1.0, 1.0)
    rotations: Tensor = (right.mT * flip[..., None, :]) @ left.mT
    return rotations


def superpose(mobile: Structures, target: Structures) -> Structures:
    """Return each mobile replica moved rigidly onto its target with the least RMSD, angstrom; see :func:`kabsch`."""
    rotations = kabsch(mobile, target)
    return centre(mobile) @ rotations.mT + target.mean(dim=-2, keepdim=True)
