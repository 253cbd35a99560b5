"""Which atom of one minimum is which of another, so that a path between them turns no group for nothing.

An identity exchanges like atoms as the least RMSD wants it. Where a methyl group points elsewhere in the other minimum, that
numbers its hydrogens at will: on a path it would turn by a third of a circle, or turn inside out, several eV up. So here
hydrogens are exchanged so that their group turns least with respect to its own surroundings, and all like atoms only in ways
that keep the handedness of every centre.
"""

from itertools import permutations

import torch

from pesx.chemistry.symmetry import heavy_automorphisms, hydrogen_groups, neighbours
from pesx.geometry.align import kabsch, superpose
from pesx.geometry.torsion import triple_products
from pesx.identity.molecular import Mirror, MolecularIdentity
from pesx.molecule import Molecule
from pesx.typing import Float, Positions, Tensor

_FLAT = 0.2
"""Triple product of unit vectors below which a centre has no handedness: 0.77 for a tetrahedral one, 0 for a planar one."""

_MOST_HYDROGENS = 3


class PathAlignment:
    """Renumbers and moves structures of a molecule so that a path from others to them is short and feasible.

    Args:
        molecule: With bonds.
        mirror: ``merge`` allows to take the mirror image.
    """

    def __init__(self, molecule: Molecule, mirror: Mirror) -> None:
        self._identity = MolecularIdentity(molecule, mirror=mirror)
        near, numbers = neighbours(molecule), molecule.numbers.tolist()
        groups = [group for group in hydrogen_groups(molecule) if 2 <= len(group) <= _MOST_HYDROGENS]
        self._orders = heavy_automorphisms(molecule)
        loose = {hydrogen for group in groups for hydrogen in group}
        self._groups = [_Group(near, group, loose) for group in groups]
        self._skeleton = torch.tensor([atom for atom, number in enumerate(numbers) if number > 1])
        fixed = [(atom, *around[:3]) for atom, around in enumerate(near) if len(around) == 4 and not loose & {*around}]
        self._centres = torch.tensor(fixed, dtype=torch.long).reshape(-1, 4)

    def __call__(self, mobile: Positions, target: Positions) -> Positions:
        """Return each mobile structure renumbered and moved onto its target, angstrom."""
        moved = self._exchanged(self._identity.aligned(mobile, target), target.double())
        for group in self._groups:
            moved = group.turned(moved, target.double())
        return superpose(moved, target.double())

    def _exchanged(self, mobile: Positions, target: Positions) -> Positions:
        """Return the structures with those exchanges of heavy atoms that keep most centres as they are, then fit best."""
        if len(self._orders) == 1 or len(self._centres) == 0:
            return mobile
        best, least = mobile, torch.full_like(mobile[:, 0, 0], torch.inf)
        sides = triple_products(target, self._centres).sign()
        skeleton = self._skeleton
        for order in self._orders:
            tried = mobile[:, order]
            n_turned = (triple_products(tried, self._centres).sign() != sides).sum(dim=1)
            off = (superpose(tried[:, skeleton], target[:, skeleton]) - target[:, skeleton]).square().sum(dim=(1, 2))
            cost = n_turned + off / (1.0 + off)
            best = torch.where((cost < least)[:, None, None], tried, best)
            least = torch.minimum(cost, least)
        return best


class _Group:
    """The hydrogens on one atom.

    Args:
        near: Neighbours of every atom.
        hydrogens: Those on the atom.
        loose: All hydrogens whose numbers say nothing before they are paired.
    """

    def __init__(self, near: list[list[int]], hydrogens: list[int], loose: set[int]) -> None:
        centre = near[hydrogens[0]][0]
        heavy = [atom for atom in near[centre] if atom not in hydrogens]
        around = {atom for first in heavy for atom in near[first] if atom not in loose}
        self._frame = torch.tensor(sorted({centre, *heavy, *around}))
        self._hydrogens = torch.tensor(hydrogens)
        self._ways = torch.tensor(list(permutations(hydrogens)))
        arms = [*heavy, *hydrogens] if len(hydrogens) == 2 else hydrogens
        self._centre = torch.tensor([[centre, *arms[:3]]]) if len(arms) > 2 else None

    def turned(self, mobile: Positions, target: Positions) -> Positions:
        """Return the structures with these hydrogens exchanged so that the group keeps its handedness and turns least."""
        here = self._laid(mobile, target)
        best, least = mobile, torch.full_like(mobile[:, 0, 0], torch.inf)
        for way in self._ways:
            off = (here[:, way] - target[:, self._hydrogens]).square().sum(dim=(1, 2))
            order = torch.arange(mobile.shape[1])
            order[self._hydrogens] = way
            tried = mobile[:, order]
            cost = off + self._turns_over(tried, target)
            best = torch.where((cost < least)[:, None, None], tried, best)
            least = torch.minimum(cost, least)
        return best

    def _laid(self, mobile: Positions, target: Positions) -> Positions:
        """Return the structures moved so that the surroundings of the group lie on those of the target."""
        if len(self._frame) < 3:
            return mobile
        frame, other = mobile[:, self._frame], target[:, self._frame]
        rotations = kabsch(frame, other)
        laid: Tensor = (mobile - frame.mean(dim=1, keepdim=True)) @ rotations.mT + other.mean(dim=1, keepdim=True)
        return laid

    def _turns_over(self, mobile: Positions, target: Positions) -> Float[Tensor, "B"]:
        """Return a price that no fit outweighs where the handedness is another, angstrom^2."""
        if self._centre is None:
            return torch.zeros_like(mobile[:, 0, 0])
        first, second = (triple_products(positions, self._centre)[:, 0] for positions in (mobile, target))
        has_sides = torch.minimum(first.abs(), second.abs()) > _FLAT
        return torch.where(has_sides & (first.sign() != second.sign()), 1e6, 0.0).to(mobile.dtype)


__all__ = ["PathAlignment"]
