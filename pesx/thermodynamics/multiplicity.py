"""How many copies of a stationary point there are that differ by the exchange of like atoms or by inversion.

A stationary point stands for |G| / h copies: G is the group of exchanges (and, where mirror images are one, inversions) that
its labelled structures can undergo, h the number of those that a rotation undoes, which is the order of its point group. |G|
is common to all points of one molecule and cancels in populations and rates; h is what differs.

Source: Wales, Energy Landscapes (2003), doi:10.1017/CBO9780511721724, for clusters; Longuet-Higgins, Mol. Phys. 6, 445
(1963), for feasible exchanges in molecules.
"""

from dataclasses import dataclass, replace
from math import factorial, lgamma, log

import numpy as np
import torch

from pesx.chemistry.symmetry import heavy_automorphisms, hydrogen_groups, neighbours
from pesx.errors import ConfigError, InputError
from pesx.geometry.align import centre, kabsch
from pesx.identity.molecular import MIRROR_POLICIES
from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.records import Array
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.typing import Float, Int, Positions, Tensor

Operations = Int[Tensor, "H N"]
"""Orders of the atoms that leave a structure as it is but for a rotation."""

TOLERANCE = 0.05
"""How far an atom may lie from where a symmetry would have it, angstrom or sigma."""

_FLAT = 0.1
"""Cubic angstrom; four neighbours that span less have no handedness. Those of methane span 4."""


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
        _require_policy(mirror)
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


def with_point_groups(
    network: Network, store: RunStore, *, mirror: str = "distinct", tolerance: float = TOLERANCE
) -> Network:
    """Return the network of a run with the orders of its point groups, as the mirror policy counts them.

    Args:
        network: Made from the store.
        store: With the structures.
        mirror: ``distinct`` or ``merge``, as in the run.
        tolerance: See :func:`point_group_orders`.
    """

    def with_orders(points: StationaryPoints, positions: Positions) -> StationaryPoints:
        orders = point_group_orders(positions[points.number], store.molecule.numbers, tolerance=tolerance)
        return replace(points, order=orders.under(mirror))

    return replace(
        network,
        minima=with_orders(network.minima, store.minima().positions),
        transition_states=with_orders(network.transition_states, store.transition_states().positions),
    )


def log_multiplicities(
    molecule: Molecule, positions: Positions, *, mirror: str = "distinct", tolerance: float = TOLERANCE
) -> Array:
    """Return the logarithm of the number of copies that each stationary point stands for, (M,) float64.

    Under ``merge`` a pair of mirror images is one point that counts twice; under ``distinct`` each counts once, so both
    have to be in the list.

    Args:
        molecule: Elements and bonds; without bonds all like atoms can change places.
        positions: Minima or transition states, angstrom or sigma.
        mirror: ``distinct`` or ``merge``, as when the stationary points were told apart.
        tolerance: See :func:`point_group_orders`.
    """
    orders = point_group_orders(positions, molecule.numbers, tolerance=tolerance).under(mirror)
    logs: Array = log_group_order(molecule, mirror) - np.log(orders)
    return logs


def log_group_order(molecule: Molecule, mirror: str = "distinct") -> float:
    """Return the logarithm of the order of G, the group of exchanges that are feasible for a molecule.

    Without bonds these are all exchanges of like atoms. With bonds they are the automorphisms of the bond graph that
    keep the handedness of every atom with four neighbours: two hydrogens of a methyl never change places without the
    third. Under ``merge`` inversions count too, except for molecules with stereocentres, which cannot reach their mirror
    image.

    Args:
        molecule: Bonds, and the handedness in its positions.
        mirror: ``distinct`` or ``merge``.

    Accuracy: exchanges across double bonds count as feasible, exchanges of heavy atoms beyond the limit of
        :func:`~pesx.chemistry.symmetry.heavy_automorphisms` do not. Either error is a factor common to all structures.
    """
    _require_policy(mirror)
    if len(molecule.bonds) == 0:
        _, counts = torch.unique(molecule.numbers, return_counts=True)
        inversions = log(2.0) if mirror == "merge" else 0.0
        return sum(lgamma(count + 1.0) for count in counts.tolist()) + inversions
    proper, improper = _feasible_counts(molecule)
    return log(proper + (improper if mirror == "merge" else 0))


def _feasible_counts(molecule: Molecule) -> tuple[int, int]:
    """Return how many automorphisms keep the handedness of every centre, and how many reverse that of every one."""
    bonded = neighbours(molecule)
    n_hydrogens = {bonded[group[0]][0]: len(group) for group in hydrogen_groups(molecule)}
    arms = {atom: near for atom, near in enumerate(bonded) if len(near) == 4}
    handed = {atom: near for atom, near in arms.items() if abs(_volume(molecule.positions, near)) > _FLAT}
    free = 1
    for owner, count in n_hydrogens.items():
        every = factorial(count)
        # Half of the orders of two hydrogens or more have either handedness.
        free *= every // 2 if owner in handed and count > 1 else every
    rigid = {atom: near for atom, near in handed.items() if n_hydrogens.get(atom, 0) < 2}
    proper = improper = 0
    for order in heavy_automorphisms(molecule).tolist():
        keeps = {
            _volume(molecule.positions, near) * _volume(molecule.positions, [order[other] for other in near]) > 0
            for near in rigid.values()
        }
        proper += False not in keeps
        improper += True not in keeps
    return proper * free, improper * free


def _volume(positions: Float[Tensor, "N 3"], atoms: list[int]) -> float:
    """Return the signed volume spanned by three of four atoms around the fourth."""
    corners = positions[atoms]
    return float(torch.linalg.det(corners[:3] - corners[3]))


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


def _require_policy(mirror: str) -> None:
    if mirror not in MIRROR_POLICIES:
        raise ConfigError(f"Expected mirror to be one of {MIRROR_POLICIES}; came {mirror!r}. Choose one of them.")
