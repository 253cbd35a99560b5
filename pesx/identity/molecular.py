"""When two structures of one molecule are the same: least RMSD over the exchanges its bond graph allows."""

from itertools import permutations, product
from math import factorial, prod, sqrt
from typing import Literal, get_args

import torch

from pesx.chemistry.symmetry import heavy_automorphisms, hydrogen_groups, orbits
from pesx.errors import ConfigError, MoleculeError
from pesx.geometry.align import centre, kabsch, rmsd, superpose
from pesx.geometry.assignment import pair_small_groups
from pesx.molecule import Molecule
from pesx.typing import Fingerprints, Float, Int, PerReplica, Positions, Tensor

Mirror = Literal["distinct", "merge"]
"""Whether mirror images are two minima or one."""

MIRROR_POLICIES: tuple[str, ...] = get_args(Mirror)

_FEW = 100
"""So many permutations are simply all tried."""

_MANY = 5000
"""No molecule with a linear skeleton has more; all are tried, because the skeleton alone leaves the rotation open."""

_LINEAR = 0.1
"""A skeleton this many times thinner than long is taken as linear."""

_MOST_ROUNDS = 10
_CHUNK = 2_000_000  # coordinates at a time, so that memory stays bounded whatever the batch


class MolecularIdentity:
    """Tells structures of one molecule apart, up to rotation and the symmetry of its bond graph.

    Args:
        molecule: With bonds.
        mirror: ``distinct`` keeps mirror images apart, ``merge`` makes them one.

    Accuracy: exact for copies and for slightly distorted copies. For different conformers :meth:`distance` is an upper
        bound of the least RMSD: hydrogens are paired in turns with the rotation, from the fit of the heavy atoms.
    """

    def __init__(self, molecule: Molecule, mirror: str = "distinct") -> None:
        if mirror not in MIRROR_POLICIES:
            raise ConfigError(f"Expected mirror to be one of {MIRROR_POLICIES}; came {mirror!r}. Choose one of them.")
        if len(molecule.bonds) == 0 and molecule.n_atoms > 1:
            raise MoleculeError(
                f"Expected a molecule with bonds; came {molecule.formula} without. Use ClusterIdentity."
            )
        self.molecule = molecule
        self.mirror = mirror
        self._pairs = _pairs_by_class(orbits(molecule))
        groups = hydrogen_groups(molecule)
        self._groups = [_same_size(groups, size) for size in sorted({len(g) for g in groups if len(g) > 1})]
        leaves = {h for group in groups for h in group}
        self._skeleton = torch.tensor([atom for atom in range(molecule.n_atoms) if atom not in leaves])
        self._orders = heavy_automorphisms(molecule)
        n_permutations = len(self._orders) * prod(factorial(len(group)) for group in groups)
        limit = _MANY if _is_linear(molecule.positions[self._skeleton]) else _FEW
        self._is_exhaustive = n_permutations <= limit
        if self._is_exhaustive:
            self._orders = _all_orders(self._orders, groups)
            self._skeleton = torch.arange(molecule.n_atoms)

    def fingerprint(self, positions: Positions) -> Fingerprints:
        """Return the interatomic distances, sorted within each class of equivalent pairs, angstrom.

        Mirror images have the same fingerprint. The root mean square difference of two fingerprints is at most
        sqrt(2 N / (N - 1)) times the RMSD of the structures, so a larger one proves them different.
        """
        columns = []
        for pairs in self._pairs:
            here = pairs.to(positions.device)
            arms = positions.double()[:, here[..., 0]] - positions.double()[:, here[..., 1]]
            columns.append(torch.linalg.vector_norm(arms, dim=-1).sort(dim=-1).values.flatten(1))
        return torch.cat(columns, dim=1) if columns else positions.new_zeros((len(positions), 1), dtype=torch.float64)

    def distance(self, a: Positions, b: Positions) -> PerReplica:
        """Return the least RMSD of each pair over rotations and allowed exchanges of atoms, angstrom."""
        return self.superpose(a, b)[1]

    def superpose(self, mobile: Positions, target: Positions) -> tuple[Positions, PerReplica]:
        """Return each mobile structure renumbered and moved onto its target, and the RMSD left, angstrom.

        Under ``merge`` the structure returned may be the mirror image.
        """
        mobile, target = mobile.double(), target.double()
        moved, least = self._superpose(mobile, target)
        if self.mirror == "merge":
            mirrored, other = self._superpose(-mobile, target)
            is_better = other < least
            moved, least = torch.where(is_better[:, None, None], mirrored, moved), torch.minimum(least, other)
        return moved, least

    def aligned(self, mobile: Positions, target: Positions) -> Positions:
        """Return each mobile structure renumbered and moved onto its target, angstrom: where a path between them begins."""
        return self.superpose(mobile, target)[0]

    def _superpose(self, mobile: Positions, target: Positions) -> tuple[Positions, PerReplica]:
        rows = max(1, _CHUNK // (self._orders.numel() * 3))
        starts = range(0, max(len(mobile), 1), rows)
        parts = [self._superpose_chunk(mobile[row : row + rows], target[row : row + rows]) for row in starts]
        return torch.cat([moved for moved, _ in parts]), torch.cat([least for _, least in parts])

    def _superpose_chunk(self, mobile: Positions, target: Positions) -> tuple[Positions, PerReplica]:
        """Try the automorphisms of each row, best fit of the skeleton first, until none left can be better."""
        orders, skeleton = self._orders.to(mobile.device), self._skeleton.to(mobile.device)
        bound = self._bound(mobile[:, orders[:, skeleton]], target[:, None, skeleton])
        bound, trial = bound.sort(dim=1)
        # A row that is not finite has no bound, and says so in the end.
        least = torch.full_like(bound[:, 0], torch.inf).masked_fill(~bound[:, 0].isfinite(), torch.nan)
        best = torch.full_like(mobile, torch.nan)
        for column in range(len(orders)):
            rows = (bound[:, column] < least).nonzero()[:, 0]
            if len(rows) == 0:
                break
            renumbered = mobile[rows[:, None], orders[trial[rows, column]]]
            moved = self._refine(renumbered, target[rows])
            left = rmsd(moved, target[rows])
            is_better = left < least[rows]
            least[rows[is_better]], best[rows[is_better]] = left[is_better], moved[is_better]
        return best, least

    def _bound(self, mobile: Float[Tensor, "B A S 3"], target: Float[Tensor, "B 1 S 3"]) -> Float[Tensor, "B A"]:
        """Return a lower bound of the RMSD of all atoms from the least RMSD of the skeleton."""
        rotations = kabsch(mobile, target)
        share = sqrt(len(self._skeleton) / self.molecule.n_atoms)
        return share * rmsd(centre(mobile) @ rotations.mT, centre(target))

    def _refine(self, mobile: Positions, target: Positions) -> Positions:
        """Pair the hydrogens and rotate, in turns until the pairing stands."""
        if self._is_exhaustive or not self._groups:
            return superpose(mobile, target)
        skeleton = self._skeleton.to(mobile.device)
        rotations = kabsch(mobile[:, skeleton], target[:, skeleton])
        origin = mobile[:, skeleton].mean(dim=1, keepdim=True)
        moved = (mobile - origin) @ rotations.mT + target[:, skeleton].mean(dim=1, keepdim=True)
        for _ in range(_MOST_ROUNDS):
            paired = moved
            for groups in self._groups:
                order = pair_small_groups(paired, target, groups)
                paired = paired.gather(1, order[..., None].expand_as(paired))
            is_settled = torch.equal(paired, moved)
            moved = superpose(paired, target)
            if is_settled:
                break
        return moved


def _pairs_by_class(classes: Int[Tensor, "N"]) -> list[Int[Tensor, "C S 2"]]:
    """Return the pairs of atoms by the classes of their ends; the classes of one size share a tensor."""
    pairs = torch.combinations(torch.arange(len(classes)), 2)
    ends = classes[pairs].sort(dim=1).values
    members: dict[tuple[int, ...], list[list[int]]] = {}
    for pair, key in zip(pairs.tolist(), ends.tolist(), strict=True):
        members.setdefault(tuple(key), []).append(pair)
    sizes = sorted({len(found) for found in members.values()})
    return [torch.tensor([found for found in members.values() if len(found) == size]) for size in sizes]


def _same_size(groups: list[list[int]], size: int) -> Int[Tensor, "G K"]:
    return torch.tensor([group for group in groups if len(group) == size])


def _is_linear(skeleton: Float[Tensor, "S 3"]) -> bool:
    if len(skeleton) < 3:
        return True
    singular = torch.linalg.svdvals(skeleton - skeleton.mean(dim=0))
    return bool(singular[1] < _LINEAR * singular[0])


def _all_orders(orders: Int[Tensor, "A N"], groups: list[list[int]]) -> Int[Tensor, "P N"]:
    """Return every automorphism: those of the skeleton times all permutations of the hydrogens on each atom."""
    every = []
    for choice in product(*(permutations(group) for group in groups)):
        shuffle = torch.arange(orders.shape[1])
        for group, chosen in zip(groups, choice, strict=True):
            shuffle[group] = torch.tensor(chosen)
        every.append(orders[:, shuffle])
    return torch.cat(every)
