"""How many copies of a stationary point there are that differ by the exchange of like atoms or by inversion.

A stationary point stands for |G| / h copies: G is the group of exchanges (and, where mirror images are one, inversions) that
its labelled structures can undergo, h the number of those that a rotation undoes, which is the order of its point group. |G|
is common to all points of one molecule and cancels in populations and rates; h is what differs.

Source: Wales, Energy Landscapes (2003), doi:10.1017/CBO9780511721724, for clusters; Longuet-Higgins, Mol. Phys. 6, 445
(1963), for feasible exchanges in molecules.
"""

from math import factorial, lgamma, log

import numpy as np
import torch

from pesx.chemistry.symmetry import heavy_automorphisms, hydrogen_groups, neighbours
from pesx.identity.point_groups import TOLERANCE, point_group_orders, require_mirror_policy
from pesx.landscape.records import Array
from pesx.molecule import Molecule
from pesx.typing import Float, Positions, Tensor

_FLAT = 0.1
"""Cubic angstrom; four neighbours that span less have no handedness. Those of methane span 4."""


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
        tolerance: See :func:`~pesx.identity.point_groups.point_group_orders`.
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
    require_mirror_policy(mirror)
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
