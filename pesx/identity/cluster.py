"""When two clusters are the same: least RMSD over rotations and all exchanges of like atoms."""

from itertools import permutations, product

import torch

from pesx.errors import ConfigError
from pesx.geometry.align import kabsch, rmsd, superpose
from pesx.geometry.assignment import pair_like_atoms
from pesx.identity.molecular import MIRROR_POLICIES
from pesx.typing import Fingerprints, Float, Int, PerReplica, Positions, Tensor

_SMALL = 5
"""Up to so many atoms all permutations are tried."""

_TOLERANCE = 0.15
"""How far reference atoms of near-identical clusters may disagree, in nearest-neighbour distances."""

_FEWEST_FRAMES, _MOST_FRAMES = 32, 1000
_N_REFINED = 5
_MOST_ROUNDS = 20


class ClusterIdentity:
    """Tells clusters apart, up to rotation and the exchange of like atoms.

    Args:
        numbers: Atomic numbers; equal numbers are interchangeable.
        mirror: ``distinct`` keeps mirror images apart, ``merge`` makes them one.

    Accuracy: copies, exact or slightly distorted, are always recognised. For different clusters :meth:`distance` is an
        upper bound of the least RMSD, from a limited number of starting orientations.
    """

    def __init__(self, numbers: Int[Tensor, "N"], mirror: str = "distinct") -> None:
        if mirror not in MIRROR_POLICIES:
            raise ConfigError(f"Expected mirror to be one of {MIRROR_POLICIES}; came {mirror!r}. Choose one of them.")
        self.mirror = mirror
        self.n_atoms = len(numbers)
        elements, self._classes = torch.unique(torch.as_tensor(numbers).cpu(), return_inverse=True)
        self._members = [(self._classes == element).nonzero()[:, 0] for element in range(len(elements))]
        self._is_unlike = self._classes[:, None] != self._classes
        self._pairs = self._pairs_by_elements(len(elements))
        self._orders = self._all_orders() if self.n_atoms <= _SMALL else None

    def fingerprint(self, positions: Positions) -> Fingerprints:
        """Return distances sorted within each pair of elements, then eigenvalues of the distance matrix, angstrom.

        The eigenvalues, divided by sqrt(N), tell apart clusters with the same distances in another arrangement. Mirror
        images have the same fingerprint. The root mean square difference of two fingerprints is at most
        sqrt(2 N / (N - 1)) times the RMSD of the clusters, so a larger one proves them different.

        Source: Hoffman and Wielandt 1953, doi:10.1215/S0012-7094-53-02004-3, for the bound on eigenvalues.
        """
        exact = positions.double()
        matrix = torch.cdist(exact, exact, compute_mode="donot_use_mm_for_euclid_dist")
        columns = [matrix[:, pairs[:, 0], pairs[:, 1]].sort(dim=-1).values for pairs in self._pairs]
        # One row that is not finite would make the decomposition of the whole batch fail.
        is_finite = torch.isfinite(matrix).all(dim=-1).all(dim=-1)
        labels = torch.diag(self._classes.to(matrix))
        values = torch.linalg.eigvalsh(torch.where(is_finite[:, None, None], matrix, 0.0) + labels)
        spectrum = torch.where(is_finite[:, None], values / self.n_atoms**0.5, torch.nan)
        return torch.cat([*columns, spectrum], dim=1)

    def distance(self, a: Positions, b: Positions) -> PerReplica:
        """Return the least RMSD of each pair over rotations and exchanges of like atoms, angstrom."""
        return self.superpose(a, b)[1]

    def superpose(self, mobile: Positions, target: Positions) -> tuple[Positions, PerReplica]:
        """Return each mobile cluster renumbered and moved onto its target, and the RMSD left, angstrom.

        Under ``merge`` the cluster returned may be the mirror image.
        """
        moved = torch.full_like(mobile, torch.nan, dtype=torch.float64)
        is_finite = (torch.isfinite(mobile) & torch.isfinite(target)).flatten(1).all(dim=1)
        for row in is_finite.nonzero()[:, 0].tolist():
            ours, theirs = mobile[row].double(), target[row].double()
            tried = [self._match(ours, theirs)]
            if self.mirror == "merge":
                tried.append(self._match(-ours, theirs))
            both = torch.stack(tried)
            moved[row] = both[rmsd(both, theirs).argmin()]
        return moved, rmsd(moved, target.double())

    def aligned(self, mobile: Positions, target: Positions) -> Positions:
        """Return each mobile cluster renumbered and moved onto its target, angstrom: where a path between them begins."""
        return self.superpose(mobile, target)[0]

    def _match(self, mobile: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """Return the mobile cluster renumbered and moved onto the target, by proper rotations alone."""
        if self._orders is not None:
            starts = mobile[self._orders.to(mobile.device)]
            return _closest(superpose(starts, target.expand_as(starts)), target)
        origin = target.mean(dim=0)
        mobile, target = mobile - mobile.mean(dim=0), target - origin
        return self._refine(self._starts(mobile, target), target) + origin

    def _starts(self, mobile: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> Float[Tensor, "K N 3"]:
        """Return the orientations that carry some pair of like atoms onto a reference pair, the best few.

        Two atoms and the centroid fix an orientation, and the centroid never needs to be searched for.
        """
        is_unlike = self._is_unlike.to(mobile.device)
        mismatch = (target.norm(dim=1)[:, None] - mobile.norm(dim=1)).abs().masked_fill(is_unlike, torch.inf)
        apart = torch.cdist(target, target).fill_diagonal_(torch.inf)
        tolerance = _TOLERANCE * apart.min(dim=1).values.median()
        i, j = _reference_pair(target, (mismatch < tolerance).sum(dim=1))
        between = (torch.cdist(mobile, mobile) - apart[i, j]).abs().fill_diagonal_(torch.inf)
        worst = torch.maximum(torch.maximum(mismatch[i][:, None], mismatch[j]), between).flatten()
        n_frames = min(max(int((worst < tolerance).sum()), _FEWEST_FRAMES), _MOST_FRAMES, len(worst))
        pairs = worst.topk(n_frames, largest=False).indices
        pairs = pairs[worst[pairs].isfinite()]
        atoms = torch.stack([pairs // self.n_atoms, pairs % self.n_atoms], dim=1)
        zero = mobile.new_zeros((1, 3))
        frames = torch.cat([zero.expand(len(atoms), 1, 3), mobile[atoms]], dim=1)
        reference = torch.cat([zero, target[[i, j]]])
        turned = mobile @ kabsch(frames, reference.expand_as(frames)).mT
        squared = torch.cdist(turned, target.expand_as(turned)).square().masked_fill(is_unlike, torch.inf)
        score = torch.maximum(squared.min(dim=1).values.sum(dim=1), squared.min(dim=2).values.sum(dim=1))
        return turned[score.topk(min(_N_REFINED, len(score)), largest=False).indices]

    def _refine(self, starts: Float[Tensor, "K N 3"], target: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """Pair like atoms and rotate, in turns until the pairings stand; return the best."""
        goal = target.expand_as(starts)
        moved = starts
        for _ in range(_MOST_ROUNDS):
            paired = torch.stack([start[pair_like_atoms(start, target, self._members)] for start in moved])
            is_settled = torch.equal(paired, moved)
            moved = superpose(paired, goal)
            if is_settled:
                break
        return _closest(moved, target)

    def _pairs_by_elements(self, n_elements: int) -> list[Int[Tensor, "P 2"]]:
        pairs = torch.combinations(torch.arange(self.n_atoms), 2)
        ends = self._classes[pairs].sort(dim=1).values
        key = ends[:, 0] * n_elements + ends[:, 1]
        return [pairs[key == value] for value in torch.unique(key)]

    def _all_orders(self) -> Int[Tensor, "P N"]:
        """Return all exchanges of like atoms."""
        orders = []
        for choice in product(*(permutations(members.tolist()) for members in self._members)):
            order = torch.arange(self.n_atoms)
            for members, chosen in zip(self._members, choice, strict=True):
                order[members] = torch.tensor(chosen)
            orders.append(order)
        return torch.stack(orders)


def _closest(moved: Float[Tensor, "K N 3"], target: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    return moved[rmsd(moved, target).argmin()]


def _reference_pair(centred: Float[Tensor, "N 3"], n_like: Int[Tensor, "N"]) -> tuple[int, int]:
    """Return two atoms that are rare and, with the centroid, well off a line."""
    radius = centred.norm(dim=1)
    first = int(torch.where(radius > 0.5 * radius.max(), n_like, len(centred) + 1).argmin())
    area = torch.linalg.cross(centred[first].expand_as(centred), centred).norm(dim=1)
    second = int(torch.where(area > 0.5 * area.max(), n_like, len(centred) + 1).argmin())
    return first, second
