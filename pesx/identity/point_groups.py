"""The order of the point group of a structure, found from the structure itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pesx.errors import ConfigError, InputError
from pesx.geometry.align import centre, kabsch
from pesx.identity.molecular import MIRROR_POLICIES
from pesx.typing import Float, Int, Positions, Tensor

Array = np.ndarray[Any, np.dtype[Any]]

Operations = Int[Tensor, "H N"]
"""Orders of the atoms that leave a structure as it is but for a rotation."""

TOLERANCE = 0.05
"""How far an atom may lie from where a symmetry would have it, angstrom or sigma."""


@dataclass(frozen=True)
class PointGroupOrders:
    """Orders of the point groups of structures.

    Attributes:
        full: With improper operations, (M,). For linear structures, where the point group is infinite, the number of
            exchanges with and without inversion that a rotation undoes: 4 with a centre, 2 without.
        rotational: Rotations only, (M,): the symmetry number.
    """

    full: Array
    rotational: Array

    def under(self, mirror: str) -> Array:
        """Return the order that counts: ``full`` where mirror images are merged, ``rotational`` where distinct."""
        require_mirror_policy(mirror)
        return self.full if mirror == "merge" else self.rotational


def point_group_orders(
    positions: Positions, numbers: Int[Tensor, "N"], *, tolerance: float = TOLERANCE
) -> PointGroupOrders:
    """Return the orders of the point groups of structures, found from the structures themselves.

    Two atoms and the centroid fix an orientation, so an operation is known by where it takes two atoms. All places that
    fit are tried, all atoms are paired, and the worst atom decides. What is returned is the order of a group: operations
    without which the others are not closed are dropped, the least exact ones first.

    Args:
        positions: Stationary points, angstrom or sigma.
        numbers: Atomic numbers.
        tolerance: How far an atom may lie from where the operation would have it, in the unit of the positions; above the
            error of relaxation, far below the distance of atoms.

    Raises:
        InputError: A structure is not finite, or two atoms lie closer than twice the tolerance.
    """
    if not tolerance > 0:
        raise InputError(f"Expected a tolerance above 0; came {tolerance}. Give a small length, such as {TOLERANCE}.")
    classes = torch.unique(torch.as_tensor(numbers).cpu(), return_inverse=True)[1]
    orders = [_orders(row, classes, tolerance) for row in centre(positions.detach().double().cpu())]
    full, rotational = np.array(orders, dtype=np.int64).reshape(-1, 2).T
    return PointGroupOrders(full, rotational)


def _orders(positions: Float[Tensor, "N 3"], classes: Int[Tensor, "N"], tolerance: float) -> tuple[int, int]:
    """Return the order of the point group of one centred structure, and that of its rotations."""
    _require_apart(positions, tolerance)
    pair = _reference_pair(positions, classes, tolerance)
    if pair is None:
        # On a line inversion is a rotation, and the only other operation is to turn it about.
        both_ways = torch.stack((positions, -positions))
        n_rotations = len(torch.unique(_matches(both_ways, positions, classes, tolerance=tolerance)[0], dim=0))
        return 2 * n_rotations, n_rotations
    proper, improper = (
        _matches(
            _turned(positions, target, pair, _places(positions, classes, pair, tolerance)),
            target,
            classes,
            tolerance=tolerance,
        )
        for target in (positions, -positions)
    )
    n_rotations = _n_closed(*proper)
    # Any improper operation is one of them times a rotation: there are as many as there are rotations, or none.
    return (2 * n_rotations if len(improper[0]) >= n_rotations else n_rotations), n_rotations


def _reference_pair(
    positions: Float[Tensor, "N 3"], classes: Int[Tensor, "N"], tolerance: float
) -> tuple[int, int] | None:
    """Return two atoms off one line with the centroid that few others resemble; None if all atoms lie on one line."""
    radius = positions.norm(dim=1)
    resembles = (classes[:, None] == classes) & ((radius[:, None] - radius).abs() < tolerance)
    rarity = resembles.sum(dim=1)
    never = len(positions) + 1
    first = int(rarity.where(radius >= 0.5 * radius.max(), never).argmin())
    axis = positions[first] / radius[first].clamp(min=tolerance)
    off = torch.linalg.cross(axis.expand_as(positions), positions).norm(dim=1)
    if float(off.max()) < tolerance:
        return None
    return first, int(rarity.where(off >= 0.5 * off.max(), never).argmin())


def _places(
    positions: Float[Tensor, "N 3"], classes: Int[Tensor, "N"], pair: tuple[int, int], tolerance: float
) -> Int[Tensor, "C 2"]:
    """Return the pairs of atoms that may take the places of the reference pair."""
    i, j = pair
    radius, apart = positions.norm(dim=1), torch.cdist(positions, positions)
    may_be_i, may_be_j = ((classes == classes[atom]) & ((radius - radius[atom]).abs() < tolerance) for atom in (i, j))
    fits = may_be_i[:, None] & may_be_j & ((apart - apart[i, j]).abs() < 2.0 * tolerance)
    places: Tensor = fits.fill_diagonal_(False).nonzero()
    return places


def _turned(
    positions: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"], pair: tuple[int, int], places: Int[Tensor, "C 2"]
) -> Float[Tensor, "C N 3"]:
    """Return the structure in the orientations that carry each pair of places onto the reference pair of the target."""
    zero = positions.new_zeros(1, 3)
    frames = torch.cat((zero.expand(len(places), 1, 3), positions[places]), dim=1)
    goal = torch.cat((zero, target[list(pair)]))
    turned: Tensor = positions @ kabsch(frames, goal.expand_as(frames)).mT
    return turned


def _matches(
    turned: Float[Tensor, "C N 3"], target: Float[Tensor, "N 3"], classes: Int[Tensor, "N"], *, tolerance: float
) -> tuple[Operations, Float[Tensor, "H"]]:
    """Return the orders of the atoms in which orientations lie on the target, and how far off the worst atom of each is."""
    squared = (turned[:, None] - target[:, None]).square().sum(dim=-1)
    orders = squared.masked_fill(classes[:, None] != classes, torch.inf).argmin(dim=2)
    is_exchange = (orders.sort(dim=1).values == torch.arange(len(target))).all(dim=1)
    orders = orders[is_exchange]
    copies = turned[is_exchange].gather(1, orders[..., None].expand(-1, -1, 3))
    deviation = (copies @ kabsch(copies, target.expand_as(copies)).mT - target).norm(dim=-1).amax(dim=-1)
    is_good = deviation < tolerance
    return orders[is_good], deviation[is_good]


def _n_closed(orders: Operations, deviation: Float[Tensor, "H"]) -> int:
    """Return how many operations are left when the least exact are dropped until the products of all are among them."""
    orders = orders[deviation.argsort()]
    for n_kept in range(len(orders), 1, -1):
        kept = orders[:n_kept]
        products = kept[:, kept].flatten(0, 1)
        if len(torch.unique(torch.cat((kept, products)), dim=0)) == n_kept:
            return n_kept
    return 1


def _require_apart(positions: Float[Tensor, "N 3"], tolerance: float) -> None:
    if not bool(torch.isfinite(positions).all()):
        raise InputError("Expected finite positions; came NaN or infinity. Leave out what is no stationary point.")
    nearest = float(torch.nn.functional.pdist(positions).min()) if len(positions) > 1 else torch.inf
    if nearest <= 2.0 * tolerance:
        raise InputError(
            f"Expected atoms farther apart than twice the tolerance of {tolerance}; came {nearest:.4g}. Lower the "
            "tolerance."
        )


def require_mirror_policy(mirror: str) -> None:
    """Make sure that mirror images are one minimum or two.

    Raises:
        ConfigError: It is neither.
    """
    if mirror not in MIRROR_POLICIES:
        raise ConfigError(f"Expected mirror to be one of {MIRROR_POLICIES}; came {mirror!r}. Choose one of them.")
