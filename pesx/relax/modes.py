"""Second-order information at stationary points: the Hessian and its internal modes."""

from typing import Protocol, runtime_checkable

import torch

from pesx.errors import InputError
from pesx.protocols import Potential
from pesx.state import Modes
from pesx.typing import Bool, Float, Int, PerReplica, Positions, Tensor

Hessian = Float[Tensor, "B D D"]

_LINEAR = 1e-3
"""A rotation counts if it moves the atoms by more than this share of the widest rotation."""


@runtime_checkable
class HasHessian(Protocol):
    """A potential that knows its second derivatives."""

    def hessian(self, positions: Positions) -> Hessian:
        """Return the second derivatives of the energy, eV/angstrom^2."""
        ...


@torch.no_grad()
def hessian(potential: Potential, positions: Positions, *, step: float = 2e-3, chunk: int = 1024) -> Hessian:
    """Return the second derivatives of the energy (D = 3N) in float64, symmetrised, eV/angstrom^2.

    The potential's own ``hessian`` is used where it has one, otherwise central differences of its forces.

    Args:
        potential: Bound to the molecule; called in float64.
        positions: Angstrom.
        step: Displacement of the differences, angstrom; their error grows with its square.
        chunk: Structures per call of the potential.
    """
    positions = positions.double()
    if isinstance(potential, HasHessian):
        second = potential.hessian(positions)
    else:
        n_replicas, n = positions.shape[0], 3 * positions.shape[1]
        shift = step * torch.eye(n, dtype=torch.float64, device=positions.device).view(n, *positions.shape[1:])
        moved = (positions[:, None, None] + torch.stack((shift, -shift), 1)).reshape(-1, *positions.shape[1:])
        forces = torch.cat([potential(moved[at : at + chunk]).forces for at in range(0, len(moved), chunk)]).view(
            n_replicas, n, 2, n
        )
        second = (forces[:, :, 1] - forces[:, :, 0]) / (2.0 * step)
    return 0.5 * (second + second.mT)


def hessian_cost(positions: Positions) -> int:
    """Return for how many force evaluations a Hessian stands: those of central differences."""
    return 6 * positions.shape[1]


@torch.no_grad()
def modes(
    potential: Potential,
    positions: Positions,
    *,
    masses: Float[Tensor, "N"] | None = None,
    second: Hessian | None = None,
    coordinates: Int[Tensor, "C"] | None = None,
    is_free: bool = True,
    tolerance: float = 1e-3,
) -> Modes:
    """Return the internal modes of stationary points.

    Translations and rotations are projected out; how many rotations there are (three, two for a linear molecule, none
    for an atom) is read off each structure. Without any internal mode the lowest eigenvalue is infinite. A structure
    whose Hessian is not finite gives NaN and ``n_negative`` -1.

    Args:
        potential: Bound to the molecule.
        positions: Stationary points, angstrom.
        masses: Atomic masses, u; None for 1 each. They enter ``log_product`` only.
        second: The Hessian if it is known already, eV/angstrom^2.
        coordinates: Numbers (0 to 3N - 1) of the coordinates the potential depends on; None for all.
        is_free: Whether the potential is invariant under translation and rotation; an external field is not.
        tolerance: Eigenvalue below minus which a mode counts as negative, and over which it enters ``log_product``,
            eV/angstrom^2.
    """
    if is_free and coordinates is not None:
        raise InputError(
            "A choice of coordinates fits potentials in an external field only; give is_free=False with it."
        )
    positions = positions.double()
    second = hessian(potential, positions) if second is None else second.double()
    is_finite = torch.isfinite(second).all(-1).all(-1)
    second = torch.where(is_finite[:, None, None], second, 0.0)
    weights = positions.new_ones(positions.shape[1]) if masses is None else masses.to(positions).rsqrt()
    weights = weights.repeat_interleave(3)
    values, vectors, is_internal = _internal(second, positions, torch.ones_like(weights), coordinates, is_free)
    scaled = second * weights[:, None] * weights
    scaled_values, _, is_scaled_internal = _internal(scaled, positions, weights, coordinates, is_free)
    # Masses change eigenvalues but not their signs: as many of the largest are positive.
    n_positive = (is_internal & (values > tolerance)).sum(-1)
    rank_from_top = (is_scaled_internal.sum(-1, keepdim=True) - is_scaled_internal.cumsum(-1)).where(
        is_scaled_internal, -1
    )
    counts = is_scaled_internal & (rank_from_top < n_positive[:, None]) & (scaled_values > 0.0)
    lowest = values.where(is_internal, torch.inf).amin(-1)
    log_product = scaled_values.where(counts, 1.0).log().sum(-1)
    n_negative = (is_internal & (values < -tolerance)).sum(-1)
    return Modes(
        lowest=lowest.where(is_finite, torch.nan),
        n_negative=n_negative.where(is_finite, -1),
        log_product=log_product.where(is_finite, torch.nan),
        direction=vectors[:, :, 0].view_as(positions).where(is_finite[:, None, None], torch.nan),
        n_evaluations=torch.full_like(n_negative, hessian_cost(positions)),
    )


@torch.no_grad()
def mass_weighted_eigenvalues(
    potential: Potential,
    positions: Positions,
    *,
    masses: Float[Tensor, "N"] | None = None,
    coordinates: Int[Tensor, "C"] | None = None,
    is_free: bool = True,
) -> list[Float[Tensor, "M"]]:
    """Return the internal eigenvalues of the mass-weighted Hessian of each structure, ascending, eV/(angstrom^2 u).

    There are 3N - 6 of them, one more for a linear structure; all NaN where the Hessian is not finite.

    Args:
        potential: Bound to the molecule.
        positions: Stationary points, angstrom.
        masses: Atomic masses, u; None for 1 each.
        coordinates: See :func:`modes`.
        is_free: See :func:`modes`.
    """
    positions = positions.double()
    second = hessian(potential, positions)
    is_finite = torch.isfinite(second).all(-1).all(-1)
    weights = positions.new_ones(positions.shape[1]) if masses is None else masses.to(positions).rsqrt()
    weights = weights.repeat_interleave(3)
    scaled = torch.where(is_finite[:, None, None], second, 0.0) * weights[:, None] * weights
    values, _, is_internal = _internal(scaled, positions, weights, coordinates, is_free)
    values = values.where(is_finite[:, None], torch.nan)
    return [row[some] for row, some in zip(values, is_internal, strict=True)]


def _internal(
    second: Hessian,
    positions: Positions,
    weights: Float[Tensor, "D"],
    coordinates: Int[Tensor, "C"] | None,
    is_free: bool,
) -> tuple[Float[Tensor, "B D"], Hessian, Bool[Tensor, "B D"]]:
    """Return eigenvalues in ascending order, eigenvectors, and which of them are internal; the others come last.

    Args:
        second: The Hessian, times the weights on both sides.
        positions: Angstrom.
        weights: One over the square root of the mass of each coordinate.
        coordinates: See :func:`modes`.
        is_free: See :func:`modes`.
    """
    if len(positions) > 1:
        # One by one, because matrix routines round differently for different places in a batch.
        rows = zip(second[:, None], positions[:, None], strict=True)
        parts = [_internal(matrix.clone(), place.clone(), weights, coordinates, is_free) for matrix, place in rows]
        values, vectors, is_internal = (torch.cat(part) for part in zip(*parts, strict=True))
        return values, vectors, is_internal
    if is_free:
        outside = rigid_projector(positions, weights)
    else:
        ignored = torch.ones_like(weights)
        if coordinates is None:
            ignored.zero_()
        else:
            ignored[coordinates] = 0.0
        outside = torch.diag(ignored).expand_as(second)
    n = second.shape[-1]
    inside = torch.eye(n, dtype=second.dtype, device=second.device) - outside
    n_outside = outside.diagonal(dim1=-2, dim2=-1).sum(-1).round()
    projected = inside @ second @ inside
    # Modes outside are moved above all others, where counting finds them.
    top: PerReplica = 2.0 * torch.linalg.matrix_norm(projected) + 1.0
    values, vectors = torch.linalg.eigh(0.5 * (projected + projected.mT) + top[:, None, None] * outside)
    is_internal = torch.arange(n, device=second.device) < (n - n_outside)[:, None]
    return values, vectors, is_internal


def rigid_projector(positions: Positions, weights: Float[Tensor, "D"] | None = None) -> Hessian:
    """Return the projectors onto translations and rotations (D = 3N).

    Args:
        positions: Angstrom.
        weights: One over the square root of the mass of each coordinate, for mass-weighted coordinates.
    """
    n_replicas, n_atoms, _ = positions.shape
    weights = positions.new_ones(3 * n_atoms) if weights is None else weights
    axes = torch.eye(3, dtype=positions.dtype, device=positions.device)
    mass = weights[::3].pow(-2)
    centred = positions - (positions * mass[:, None]).sum(1, keepdim=True) / mass.sum()
    centred = torch.where(torch.isfinite(centred), centred, 0.0)
    shifts = axes.repeat(n_atoms, 1).expand(n_replicas, -1, -1)
    turns = torch.linalg.cross(axes.view(1, 1, 3, 3), centred[:, :, None].expand(-1, -1, 3, -1))
    turns = turns.transpose(2, 3).reshape(n_replicas, 3 * n_atoms, 3)
    projector = positions.new_zeros(n_replicas, 3 * n_atoms, 3 * n_atoms)
    for motions in (shifts, turns):
        basis, sizes, _ = torch.linalg.svd(motions / weights[:, None], full_matrices=False)
        counts = (sizes > _LINEAR * sizes[:, :1]) & (sizes > 0.0)
        basis = basis * counts[:, None]
        projector = projector + basis @ basis.mT
    return projector
