"""Paths between two structures, for a batch of pairs at once: guesses, made without a potential.

Like atoms must have like numbers and the structures must lie upon each other already; which atom goes with which is for an
identity to say (its ``aligned``). A path has its two ends as first and last image; all but the straight one may move them
rigidly, so that each image lies on its neighbours.
"""

from math import pi

import torch

from pesx.geometry.align import superpose
from pesx.geometry.torsion import rotate_about_bond, torsion_angles
from pesx.typing import Bool, Float, Int, Positions, Tensor

Path = Float[Tensor, "B K N 3"]

_CLOSEST = 1e-3
"""Distances below this are taken as this: the weights of nearer atoms would leave no room for the others, angstrom."""

_ROUNDS = 60
"""Rounds of majorisation; more do not change a path by what a band would notice."""


def straight(first: Positions, last: Positions, *, n_images: int) -> Path:
    """Return structures on the straight line between two, ends included, angstrom; for points in an external field.

    Args:
        first: Angstrom.
        last: Angstrom.
        n_images: Structures between the ends.
    """
    share = _shares(first, n_images)
    return (1.0 - share) * first[:, None] + share * last[:, None]


def by_distances(first: Positions, last: Positions, *, n_images: int) -> Path:
    """Return a path on which atoms pass around, not through, each other, angstrom.

    Each image is the structure whose distances between atoms are nearest to those in between, short ones above all: the
    image-dependent pair potential of Smidstrup et al. 2014, doi:10.1063/1.4878664, weighted by the wanted distances. It is
    brought to its minimum by majorisation (de Leeuw 1988, doi:10.1007/BF01897162), which needs no line search and never
    goes up, from the straight line.

    Args:
        first: Angstrom.
        last: Angstrom, on the first.
        n_images: Structures between the ends.
    """
    path = straight(first, last, n_images=n_images)
    inner = path[:, 1:-1]
    share = _shares(first, n_images)[:, 1:-1, 0]
    wanted = (1.0 - share[..., None]) * _distances(first)[:, None] + share[..., None] * _distances(last)[:, None]
    relaxed = _majorised(inner.flatten(0, 1), wanted.flatten(0, 1)).view_as(inner)
    return _chained(torch.cat([first[:, None], relaxed, last[:, None]], dim=1))


def by_torsions(
    first: Positions,
    last: Positions,
    *,
    n_images: int,
    bonds: Int[Tensor, "R 2"],
    moving: Bool[Tensor, "R N"],
    quads: Int[Tensor, "R 4"],
) -> Path:
    """Return a path on which torsions turn evenly, each the shortest way round, angstrom; the better guess for conformers.

    Both ends are turned to the torsions of the image; the image is their mixture, which takes care of all that torsions
    leave.

    Args:
        first: Angstrom.
        last: Angstrom, on the first.
        n_images: Structures between the ends.
        bonds: The fixed and the moving atom of each bond that may turn.
        moving: Atoms that turn with the moving atom.
        quads: Atoms of one torsion about each bond.
    """
    way = torsion_angles(last, quads) - torsion_angles(first, quads)
    way = torch.remainder(way + pi, 2.0 * pi) - pi
    images = []
    for share in _shares(first, n_images)[0, 1:-1, 0, 0].tolist():
        ahead, behind = first, last
        for bond, atoms, angle in zip(bonds, moving, way.unbind(dim=1), strict=True):
            ahead = rotate_about_bond(ahead, bond, atoms, share * angle)
            behind = rotate_about_bond(behind, bond, atoms, (share - 1.0) * angle)
        images.append((1.0 - share) * ahead + share * superpose(behind, ahead))
    return _chained(torch.stack([first, *images, last], dim=1))


def _chained(path: Path) -> Path:
    """Return the path with each image moved rigidly onto its neighbour, from the middle outwards, ends included."""
    middle = path.shape[1] // 2
    images = list(path.unbind(dim=1))
    for place in range(middle - 1, -1, -1):
        images[place] = superpose(images[place], images[place + 1])
    for place in range(middle + 1, len(images)):
        images[place] = superpose(images[place], images[place - 1])
    return torch.stack(images, dim=1)


def _shares(like: Positions, n_images: int) -> Float[Tensor, "1 K 1 1"]:
    return torch.linspace(0.0, 1.0, n_images + 2, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)


def _distances(positions: Positions) -> Float[Tensor, "B N N"]:
    apart = positions[:, :, None] - positions[:, None]
    distances: Tensor = torch.linalg.vector_norm(apart, dim=-1)
    return distances


def _majorised(positions: Positions, wanted: Float[Tensor, "B N N"]) -> Positions:
    """Return the structures whose distances are nearest to the wanted ones, each weighted by its inverse fourth power."""
    n_atoms = positions.shape[1]
    if n_atoms < 3:
        return positions
    itself = torch.eye(n_atoms, dtype=torch.bool, device=positions.device)
    weights = wanted.clamp(min=_CLOSEST).pow(-4).masked_fill(itself, 0.0)
    laplacian = torch.diag_embed(weights.sum(dim=2)) - weights
    # The constant lifts the one direction without weight, that of moving all atoms, which the sums below never have.
    lift = laplacian.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] / n_atoms
    is_finite = torch.isfinite(laplacian).flatten(1).all(dim=1)[:, None, None]
    eye = torch.eye(n_atoms, dtype=positions.dtype, device=positions.device)
    factor, failed = torch.linalg.cholesky_ex(torch.where(is_finite, laplacian + lift, eye))
    inverse = torch.cholesky_inverse(torch.where((failed != 0)[:, None, None], eye, factor))
    origin = positions.mean(dim=1, keepdim=True)
    now = positions - origin
    for _ in range(_ROUNDS):
        pull = (weights * wanted / _distances(now).clamp(min=_CLOSEST)).masked_fill(itself, 0.0)
        target = pull.sum(dim=2)[..., None] * now - _product(pull, now)
        # Twice the step of the majorisation still never goes up (de Leeuw and Heiser 1980) and is twice as fast.
        now = 2.0 * _product(inverse, target) - now
        now = now - now.mean(dim=1, keepdim=True)
    return torch.where(is_finite, now, torch.nan) + origin


def _product(matrix: Float[Tensor, "B N N"], vectors: Positions) -> Positions:
    """Multiply as sums of products: matrix calls round differently in other batches."""
    product: Positions = (matrix[..., None] * vectors[:, None]).sum(dim=2)
    return product


__all__ = ["Path", "by_distances", "by_torsions", "straight"]
