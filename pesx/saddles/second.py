"""What searches for transition states know of the Hessian: a full matrix, brought up to date by each step.

A step s and the rise y of the gradient along it say y = H s. Of all matrices that agree the update takes the one that changes
least in the metric of the old one: TS-BFGS (Anglada and Bofill 1998, J. Comput. Chem. 19, 349), which keeps negative
curvatures, as BFGS does not.
"""

from dataclasses import dataclass, replace

import torch

from pesx.typing import Float, Int, Mask, PerReplica, Positions, Tensor

Vectors = Float[Tensor, "B D"]
Matrices = Float[Tensor, "B D D"]

_LINEAR = 1e-3
"""A rotation counts if it moves the atoms by more than this share of the widest rotation."""

_TINY = 1e-12


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of Hessians inside the space of internal motions, ascending; the motions outside come last.

    Attributes:
        values: EV/angstrom^2.
        vectors: Eigenvectors, as columns.
        n_internal: How many are inside.
    """

    values: Vectors
    vectors: Matrices
    n_internal: Int[Tensor, "B"]

    @property
    def is_internal(self) -> Mask:
        """Which are inside (B, D)."""
        places = torch.arange(self.values.shape[1], device=self.values.device)
        return places < self.n_internal[:, None]

    def amounts(self, vectors: Vectors) -> Vectors:
        """Return how much of each eigenvector is in some vectors."""
        amounts: Vectors = (self.vectors * vectors[:, :, None]).sum(dim=1)
        return amounts

    def combined(self, amounts: Vectors) -> Vectors:
        """Return the sum of the eigenvectors in these amounts."""
        combined: Vectors = (self.vectors * amounts[:, None]).sum(dim=2)
        return combined


def rigid_motions(positions: Positions) -> Float[Tensor, "B D 6"]:
    """Return orthonormal translations and rotations as columns; zero where a rotation moves nothing.

    Made by sums of products, so that a row has the same bits in any batch.

    Args:
        positions: Angstrom.
    """
    n_replicas, n_atoms, _ = positions.shape
    axes = torch.eye(3, dtype=positions.dtype, device=positions.device)
    centred = positions - positions.mean(dim=1, keepdim=True)
    columns = [axis.repeat(n_atoms).expand(n_replicas, -1) / n_atoms**0.5 for axis in axes]
    turns = [torch.linalg.cross(axis.expand_as(centred), centred).flatten(1) for axis in axes]
    widest = torch.stack([norm(turn) for turn in turns]).amax(dim=0)
    for _ in range(3):
        # The largest of those left goes first: a linear molecule has no third rotation, only the rounding of one.
        lengths = torch.stack([norm(turn) for turn in turns], dim=1)
        best = lengths.argmax(dim=1)
        largest = lengths.gather(1, best[:, None])[:, 0]
        column = torch.stack(turns, dim=1)[torch.arange(n_replicas, device=best.device), best]
        counts = (largest > _LINEAR * widest) & (largest > 0.0)
        column = torch.where(counts[:, None], column / largest[:, None], 0.0)
        columns.append(column)
        turns = [turn - (turn * column).sum(dim=1, keepdim=True) * column for turn in turns]
    return torch.stack(columns, dim=2)


def fixed_motions(positions: Positions, coordinates: tuple[int, ...]) -> Float[Tensor, "B D 6"]:
    """Return the coordinates that an external field does not depend on, as columns, filled up with zeros.

    Args:
        positions: Angstrom, of one or two atoms.
        coordinates: Numbers (0 to 3N - 1) of the coordinates that the field depends on.
    """
    size = 3 * positions.shape[1]
    outside = [place for place in range(size) if place not in coordinates]
    columns = torch.eye(size, dtype=positions.dtype, device=positions.device)[:, outside]
    columns = torch.nn.functional.pad(columns, (0, max(0, 6 - len(outside))))
    return columns.expand(len(positions), -1, -1)


def internal(vectors: Vectors, outside: Float[Tensor, "B D M"]) -> Vectors:
    """Return vectors without their parts along the motions outside."""
    amounts = (outside * vectors[:, :, None]).sum(dim=1)
    inside: Vectors = vectors - (outside * amounts[:, None]).sum(dim=2)
    return inside


def crooked(positions: Positions) -> Vectors:
    """Return the same direction without symmetry for every row."""
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(3 * positions.shape[1], dtype=torch.float64, generator=generator)
    return direction.to(positions.device).expand(len(positions), -1)


def norm(vectors: Vectors) -> PerReplica:
    """Return the lengths of vectors."""
    lengths: PerReplica = vectors.square().sum(dim=1).sqrt()
    return lengths


def unit(vectors: Vectors) -> Vectors:
    """Return vectors of length one; zero for zero."""
    lengths = norm(vectors)[:, None]
    return torch.where(lengths > 0.0, vectors / lengths, 0.0)


def spectrum(second: Matrices, outside: Float[Tensor, "B D M"]) -> Spectrum:
    """Return the eigenvalues of Hessians with the motions outside projected out; NaN where there are none to be had.

    That is where a Hessian is not finite, or its elements are of too many orders of magnitude, as where atoms lie upon each
    other.
    """
    size = second.shape[1]
    n_internal = size - (outside.square().sum(dim=1) > 0.5).sum(dim=1)
    if len(second) == 0:
        return Spectrum(second[:, 0], second, n_internal)
    rows = [_row_spectrum(matrix.clone(), motions.clone()) for matrix, motions in zip(second, outside, strict=True)]
    values, vectors = (torch.stack(part) for part in zip(*rows, strict=True))
    return Spectrum(values, vectors, n_internal)


def _row_spectrum(second: Float[Tensor, "D D"], outside: Float[Tensor, "D M"]) -> tuple[Tensor, Tensor]:
    """Matrix routines round differently for different places in a batch; so each row is a call of its own."""
    if not second.isfinite().all() or not outside.isfinite().all():
        return torch.full_like(second[0], torch.nan), torch.full_like(second, torch.nan)
    inside = torch.eye(len(second), dtype=second.dtype, device=second.device) - outside @ outside.T
    projected = inside @ second @ inside
    top = 2.0 * torch.linalg.matrix_norm(projected) + 1.0
    try:
        values, vectors = torch.linalg.eigh(0.5 * (projected + projected.T) + top * outside @ outside.T)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        return torch.full_like(second[0], torch.nan), torch.full_like(second, torch.nan)
    return values, vectors


def bounded(second: Matrices, now: Spectrum, bounds: tuple[float, float]) -> tuple[Matrices, Spectrum]:
    """Return Hessians whose curvatures beyond bounds are brought back to them, and their spectra; other rows stay as they are.

    Small steps leave large errors behind in an updated Hessian, where the old one was wrong across them.

    Args:
        second: Hessians, eV/angstrom^2.
        now: Their spectra.
        bounds: Least and greatest curvature.
    """
    values = torch.where(now.is_internal, now.values.clamp(*bounds), now.values)
    change = values - now.values
    rows = (change.isfinite() & (change != 0.0)).any(dim=1).nonzero()[:, 0].tolist()
    if not rows:
        return second, now
    second = second.clone()
    for row in rows:
        vectors = now.vectors[row].clone()
        second[row] += (vectors * change[row]) @ vectors.T
    return second, replace(now, values=values)


def updated(second: Matrices, step: Vectors, rise: Vectors, *, rows: Mask, now: Spectrum) -> Matrices:
    """Return Hessians that agree with a step and the rise of the gradient along it (TS-BFGS).

    Args:
        second: Old Hessians, eV/angstrom^2.
        step: Angstrom, or a direction.
        rise: Change of the gradient along it, eV/angstrom.
        rows: Rows to update; rows whose step is zero or not finite stay as they are.
        now: Spectra of the old Hessians.
    """
    error = rise - (second * step[:, None]).sum(dim=2)
    size = now.combined(now.values.abs() * now.amounts(step))
    along, stiff = (rise * step).sum(dim=1, keepdim=True), (size * step).sum(dim=1, keepdim=True)
    weight = along.square() + stiff.square()
    is_good = rows & (weight[:, 0] > _TINY**2) & torch.isfinite(weight[:, 0]) & torch.isfinite(error).all(dim=1)
    way = (along * rise + stiff * size) / torch.where(is_good[:, None], weight, 1.0)
    share = (error * step).sum(dim=1)[:, None, None]
    mixed = error[:, :, None] * way[:, None]
    change = mixed + mixed.mT - share * way[:, :, None] * way[:, None]
    return torch.where(is_good[:, None, None], second + change, second)


__all__ = [
    "Matrices",
    "Spectrum",
    "Vectors",
    "bounded",
    "crooked",
    "fixed_motions",
    "internal",
    "norm",
    "rigid_motions",
    "spectrum",
    "unit",
    "updated",
]
