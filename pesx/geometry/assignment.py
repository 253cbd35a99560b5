"""Which like atom goes with which: the pairing of least squared distance."""

from itertools import permutations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from pesx.typing import Float, Int, Positions, Tensor


def pair_small_groups(mobile: Positions, target: Positions, groups: Int[Tensor, "G K"]) -> Int[Tensor, "B N"]:
    """Pair the atoms of small groups of equivalent atoms by trying every permutation of each group.

    Args:
        mobile: Structures to renumber, superposed on the target, angstrom.
        target: Structures to match, angstrom.
        groups: Disjoint groups of K interchangeable atoms; the work grows as K factorial, so K should be at most 4.

    Returns:
        Order such that ``mobile`` taken in it matches ``target``; atoms outside the groups stay in place.
    """
    n_replicas, n_atoms = mobile.shape[:2]
    order = torch.arange(n_atoms, device=mobile.device).repeat(n_replicas, 1)
    if groups.numel() == 0:
        return order
    groups = groups.to(mobile.device)
    choices = torch.tensor(list(permutations(range(groups.shape[1]))), device=mobile.device)
    squared = (mobile[:, groups][:, :, :, None] - target[:, groups][:, :, None]).square().sum(-1)
    cost = squared[:, :, choices, torch.arange(groups.shape[1], device=mobile.device)].sum(-1)
    best = choices[cost.argmin(dim=-1)]
    order[:, groups.flatten()] = groups.expand(n_replicas, -1, -1).gather(2, best).flatten(1)
    return order


def pair_like_atoms(
    mobile: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"], classes: list[Int[Tensor, "_"]]
) -> Int[Tensor, "N"]:
    """Pair the atoms of one structure with those of another, within each class of interchangeable atoms.

    Args:
        mobile: Structure to renumber, superposed on the target, angstrom; finite.
        target: Structure to match, angstrom; finite.
        classes: Disjoint classes of interchangeable atoms.

    Returns:
        Order such that ``mobile`` taken in it matches ``target``.

    Source: Jonker and Volgenant 1987, doi:10.1007/BF02278710, as in scipy.
    """
    squared = torch.cdist(target, mobile, compute_mode="donot_use_mm_for_euclid_dist").square().cpu().numpy()
    order = np.arange(len(mobile))
    for members in classes:
        atoms = members.cpu().numpy()
        _, columns = linear_sum_assignment(squared[np.ix_(atoms, atoms)])
        order[atoms] = atoms[columns]
    return torch.from_numpy(order).to(mobile.device)
