"""The values that travel between parts: frozen dataclasses of tensors whose first axis is the replica.

:func:`take_rows` and :func:`put_rows` work on any such dataclass, nested ones too. That is all that is needed to swap a
finished replica for a fresh one in the middle of a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from pesx.typing import Bool, Energies, Forces, Index, Int, Mask, PerReplica, Positions, Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    V = TypeVar("V", bound=DataclassInstance)
else:
    V = TypeVar("V")


@dataclass(frozen=True)
class Evaluation:
    """What a potential says about positions.

    Attributes:
        energy: eV.
        forces: Minus the gradient of the energy, eV/angstrom.
    """

    energy: Energies
    forces: Forces


@dataclass(frozen=True)
class Minima:
    """Where quenches ended; row by row a minimum or the reason why not.

    Attributes:
        positions: Angstrom, float64.
        energy: eV, float64.
        fmax: Largest atomic force norm, eV/angstrom.
        outcome: :class:`~pesx.outcome.Outcome` codes.
        n_evaluations: Force evaluations spent.
    """

    positions: Positions
    energy: Energies
    fmax: PerReplica
    outcome: Index
    n_evaluations: Index


@dataclass(frozen=True)
class Found:
    """What an archive says to candidates.

    Attributes:
        index: Number of the minimum in the archive, -1 where the candidate was not admitted.
        is_new: Whether this candidate was the first of its kind.
    """

    index: Index
    is_new: Mask


@dataclass(frozen=True)
class Modes:
    """Second-order information at stationary points, rigid motions projected out.

    Attributes:
        lowest: Lowest eigenvalue of the Hessian, eV/angstrom^2.
        n_negative: Number of eigenvalues below minus the tolerance.
        log_product: Sum of log(eigenvalue) of the positive mass-weighted eigenvalues, eV/(angstrom^2 u); for the
            harmonic superposition. NaN where only the lowest mode was sought.
        direction: Eigenvector of the lowest eigenvalue, unit norm.
        n_evaluations: Force evaluations that finding this out stands for.
    """

    lowest: PerReplica
    n_negative: Index
    log_product: PerReplica
    direction: Positions
    n_evaluations: Index


def fmax(forces: Forces) -> PerReplica:
    """Return the largest atomic force norm of each replica, in the unit of the forces."""
    largest: Tensor = torch.linalg.vector_norm(forces, dim=-1).amax(dim=-1)
    return largest


def _map(function: Callable[..., Tensor], first: V, *others: Any) -> V:
    changes = {}
    for field in fields(first):
        values = [getattr(value, field.name) for value in (first, *others)]
        changes[field.name] = function(*values) if isinstance(values[0], torch.Tensor) else _map(function, *values)
    return replace(first, **changes)


def take_rows(value: V, rows: Int[Tensor, "R"] | Bool[Tensor, "B"]) -> V:
    """Return a copy of some rows of a dataclass of tensors.

    Args:
        value: Dataclass whose fields are tensors with the replica as first axis, or dataclasses of such.
        rows: Row numbers, or a mask over all rows.
    """
    chosen = _numbers(rows, value)
    return _map(lambda tensor: tensor[chosen], value)


def put_rows(value: V, rows: Int[Tensor, "R"] | Bool[Tensor, "B"], fresh: V) -> V:
    """Return a copy of a dataclass of tensors with some rows replaced; see :func:`take_rows`."""
    chosen = _numbers(rows, value)

    def put(old: Tensor, new: Tensor) -> Tensor:
        out = old.clone()
        out[chosen] = new.to(out.dtype)
        return out

    return _map(put, value, fresh)


def to_cpu(value: V) -> V:
    """Return a dataclass of tensors with all of them on the CPU."""
    return _map(lambda tensor: tensor.cpu(), value)


def _numbers(rows: Int[Tensor, "R"] | Bool[Tensor, "B"], value: Any) -> Int[Tensor, "R"]:
    """Return row numbers: how many a mask holds, a device would be asked anew for every tensor."""
    if rows.dtype != torch.bool:
        return rows
    n_rows = len(next(iter(flatten(value).values())))
    if len(rows) != n_rows:
        raise IndexError(f"Expected a mask over {n_rows} rows, came one of {len(rows)}.")
    return rows.nonzero()[:, 0]


def cat_rows(values: list[V]) -> V:
    """Return one dataclass with the rows of all, in order."""
    return _map(lambda *tensors: torch.cat(tensors), values[0], *values[1:])


def flatten(value: Any, prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors of a nested dataclass by dotted name; for checkpoints."""
    out: dict[str, Tensor] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        name = prefix + field.name
        out |= {name: item} if isinstance(item, torch.Tensor) else flatten(item, name + ".")
    return out


def unflatten(template: V, tensors: dict[str, Tensor], prefix: str = "") -> V:
    """Return the template with its tensors replaced by those of :func:`flatten`."""
    changes: dict[str, Any] = {}
    for field in fields(template):
        item = getattr(template, field.name)
        name = prefix + field.name
        is_tensor = isinstance(item, torch.Tensor)
        changes[field.name] = tensors[name].to(item.device) if is_tensor else unflatten(item, tensors, name + ".")
    return replace(template, **changes)


__all__ = [
    "Evaluation",
    "Found",
    "Minima",
    "Modes",
    "cat_rows",
    "flatten",
    "fmax",
    "put_rows",
    "take_rows",
    "to_cpu",
    "unflatten",
]
