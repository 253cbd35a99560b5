"""Second-order information at stationary points: the Hessian, its internal modes, and a Newton polish."""

from typing import Protocol, runtime_checkable

import torch

from pesx.errors import InputError
from pesx.protocols import Potential
from pesx.state import Evaluation, Modes, fmax, put_rows
from pesx.typing import Bool, Float, Int, PerReplica, Positions, Tensor

Hessian = Float[Tensor, "B D D"]


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
    )


@torch.no_grad()
def screened_modes(
    potential: Potential,
    positions: Positions,
    *,
    masses: Float[Tensor, "N"] | None = None,
    margin: float = 1e-4,
) -> Modes:
    """Return the internal modes of free structures for half the cost where they are clear; see :func:`modes`.

    A potential's own Hessian is taken in float32 first. Only a structure whose lowest eigenvalue does not clear the margin
    is looked at again in float64. On minima of Ac-Ala3-NHMe float32 changed that eigenvalue by less than 1e-6. No
    eigenvalue below zero is forgiven.

    Args:
        potential: Bound to the molecule.
        positions: Stationary points, angstrom.
        masses: Atomic masses, u.
        margin: eV/angstrom^2.
    """
    if not isinstance(potential, HasHessian):
        return modes(potential, positions, masses=masses, tolerance=0.0)
    second = potential.hessian(positions.float())
    found = modes(potential, positions, masses=masses, second=second, tolerance=0.0)
    is_doubtful = ~(found.lowest > margin)
    if is_doubtful.any():
        exact = modes(potential, positions[is_doubtful], masses=masses, tolerance=0.0)
        found = put_rows(found, is_doubtful, exact)
    return found


@torch.no_grad()
def polish(
    potential: Potential,
    positions: Positions,
    *,
    second: Hessian | None = None,
    n_steps: int = 2,
    max_step: float = 0.05,
    floor: float = 1e-2,
    is_free: bool = True,
) -> tuple[Positions, Evaluation]:
    """Take Newton steps to the nearest stationary points; return positions in float64 and the evaluation there.

    From near a minimum they end in the minimum, from near a saddle in the saddle. One Hessian serves all steps. Rigid
    motions are left out, eigenvalues count with a magnitude not below the floor, and a step that does not lower the
    largest force is not taken.

    Args:
        potential: Bound to the molecule.
        positions: Near stationary points, angstrom.
        second: The Hessian if it is known already, eV/angstrom^2.
        n_steps: Steps tried.
        max_step: Largest displacement of an atom in a step, angstrom.
        floor: Smallest curvature divided by, eV/angstrom^2.
        is_free: Whether the potential is invariant under translation and rotation.
    """
    positions = positions.double()
    second = hessian(potential, positions) if second is None else second.double()
    is_finite = torch.isfinite(second).all(-1).all(-1)
    second = torch.where(is_finite[:, None, None], second, 0.0)
    ones = positions.new_ones(3 * positions.shape[1])
    values, vectors, is_internal = _internal(second, positions, ones, None, is_free)
    floored = torch.where(values < 0.0, values.clamp(max=-floor), values.clamp(min=floor))
    inverse = torch.where(is_internal & is_finite[:, None], floored.reciprocal(), 0.0)
    now = potential(positions)
    for _ in range(n_steps):
        along = (vectors * now.forces.flatten(1)[:, :, None]).sum(1)
        step = (vectors * (inverse * along)[:, None]).sum(-1).view_as(positions)
        longest = torch.linalg.vector_norm(step, dim=-1).amax(-1)
        step = step * torch.where(longest > max_step, max_step / longest, 1.0)[:, None, None]
        there = potential(positions + step)
        is_better = fmax(there.forces) < fmax(now.forces)
        positions = torch.where(is_better[:, None, None], positions + step, positions)
        energy = torch.where(is_better, there.energy, now.energy)
        now = Evaluation(energy, torch.where(is_better[:, None, None], there.forces, now.forces))
    return positions, now


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
        outside = _rigid(positions, weights)
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


_LINEAR = 1e-3
"""A rotation counts if it moves the atoms by more than this share of the widest rotation."""


def _rigid(positions: Positions, weights: Float[Tensor, "D"]) -> Hessian:
    """Return the projectors onto translations and rotations, in mass-weighted coordinates."""
    n_replicas, n_atoms, _ = positions.shape
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
