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


_WIDE = pi / 3.0
"""Torsions that turn by less than this have no other way round worth trying, radian."""

_CROWDED = 30.0
"""So crowded must a path be for another way round to be tried, and so much less crowded that one, to be preferred."""

_PASSES = 2
"""How often each torsion is tried the other way."""


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
    contacts: Float[Tensor, "N N"] | None = None,
) -> Path:
    """Return a path on which torsions turn evenly, angstrom; the better guess for conformers.

    Both ends are turned to the torsions of the image; the image is their mixture, which takes care of all that torsions
    leave. Each torsion turns the shortest way round, or the other way where atoms would come too close.

    Args:
        first: Angstrom.
        last: Angstrom, on the first.
        n_images: Structures between the ends.
        bonds: The fixed and the moving atom of each bond that may turn.
        moving: Atoms that turn with the moving atom.
        quads: Atoms of one torsion about each bond.
        contacts: Distances below which two atoms are too close, 0 for those that may be, angstrom; None to go the shortest
            way in any case.
    """
    way = torsion_angles(last, quads) - torsion_angles(first, quads)
    way = torch.remainder(way + pi, 2.0 * pi) - pi
    shares = _shares(first, n_images)[0, 1:-1, 0, 0].tolist()
    path = _turned(first, last, way, shares=shares, rotors=(bonds, moving))
    if contacts is None:
        return path
    least = _crowding(path, contacts)
    for place in [*range(len(bonds))] * _PASSES:
        rows = ((way[:, place].abs() > _WIDE) & (least > _CROWDED)).nonzero()[:, 0]
        if not len(rows):
            continue
        other = way[rows]
        other[:, place] = other[:, place] - 2.0 * pi * other[:, place].sign()
        tried = _turned(first[rows], last[rows], other, shares=shares, rotors=(bonds, moving))
        crowding = _crowding(tried, contacts)
        is_better = crowding < least[rows] - _CROWDED
        rows = rows[is_better]
        path[rows], way[rows], least[rows] = tried[is_better], other[is_better], crowding[is_better]
    return path


def _turned(
    first: Positions,
    last: Positions,
    way: Float[Tensor, "B R"],
    *,
    shares: list[float],
    rotors: tuple[Int[Tensor, "R 2"], Bool[Tensor, "R N"]],
) -> Path:
    """Return the path on which each torsion turns by its angle, radian."""
    images = []
    for share in shares:
        ahead, behind = first, last
        for bond, atoms, angle in zip(*rotors, way.unbind(dim=1), strict=True):
            ahead = rotate_about_bond(ahead, bond, atoms, share * angle)
            behind = rotate_about_bond(behind, bond, atoms, (share - 1.0) * angle)
        images.append((1.0 - share) * ahead + share * superpose(behind, ahead))
    return _chained(torch.stack([first, *images, last], dim=1))


def _crowding(path: Path, contacts: Float[Tensor, "N N"]) -> Float[Tensor, "B"]:
    """Return how much atoms repel each other in the worst image; two that touch count 1."""
    distances = torch.stack([_distances(image) for image in path.unbind(dim=1)], dim=1).clamp(min=_CLOSEST)
    crowding: Tensor = (contacts.to(path) / distances).pow(12).sum(dim=(2, 3)).amax(dim=1) / 2.0
    return torch.where(torch.isfinite(crowding), crowding, -torch.inf)


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
