"""A guess of the Hessian of a molecule from its geometry alone; the metric in which a minimiser sees all modes alike.

Stretches between all atoms, and bends and torsions along the bonds, with the force constants of Lindh, Bernhardsson,
Karlström and Malmqvist 1995, doi:10.1016/0009-2614(95)00646-L.
"""

from dataclasses import dataclass, field

import torch

from pesx.config import require
from pesx.geometry.internal import angle_rows, bonded_angles, bonded_torsions, torsion_rows
from pesx.molecule import Molecule
from pesx.typing import Float, Int, Positions, Tensor
from pesx.units import BOHR, HARTREE

_STRETCH = 0.45 * HARTREE / BOHR**2
_BEND = 0.15 * HARTREE
_TORSION = 0.005 * HARTREE

_REACH = torch.tensor([[1.35, 2.10, 2.53], [2.10, 2.87, 3.40], [2.53, 3.40, 3.40]], dtype=torch.float64) * BOHR
"""Reference distances by rows of the periodic table (H and He; Li to Ne; the others), angstrom."""

_DECAY = (
    torch.tensor([[1.0, 0.3949, 0.3949], [0.3949, 0.28, 0.28], [0.3949, 0.28, 0.28]], dtype=torch.float64) / BOHR**2
)
"""How fast a stretch weakens with the squared distance, by rows, 1/angstrom^2."""


@dataclass(frozen=True)
class _Terms:
    """What the guess is made of, on one device and in one precision.

    Attributes:
        reach: Reference distance of each pair of atoms, angstrom.
        decay: How fast its stretch weakens, 1/angstrom^2.
        angles: Atoms of each bend.
        torsions: Atoms of each torsion.
        at_angles: Places of their coordinates among all.
        at_torsions: Likewise.
    """

    reach: Float[Tensor, "N N"]
    decay: Float[Tensor, "N N"]
    angles: Int[Tensor, "A 3"]
    torsions: Int[Tensor, "T 4"]
    at_angles: Int[Tensor, "A 9"]
    at_torsions: Int[Tensor, "T 12"]

    @staticmethod
    def of(molecule: Molecule, device: torch.device, dtype: torch.dtype) -> "_Terms":
        row = (molecule.numbers > 2).long() + (molecule.numbers > 10).long()
        angles, torsions = bonded_angles(molecule.bonds), bonded_torsions(molecule.bonds)
        constants = _REACH[row[:, None], row].to(device, dtype), _DECAY[row[:, None], row].to(device, dtype)
        atoms = angles.to(device), torsions.to(device)
        return _Terms(*constants, *atoms, _coordinates(angles).to(device), _coordinates(torsions).to(device))


@dataclass(frozen=True, eq=False)
class ModelHessian:
    """The guess for one molecule.

    Attributes:
        molecule: Elements and bonds.
        floor: Added to every curvature, so that modes without a term are not taken for free, eV/angstrom^2.
        stretch: Factor on the force constants of stretches.
        torsion: Factor on those of torsions.
    """

    molecule: Molecule
    floor: float = 0.03
    stretch: float = 1.0
    torsion: float = 1.0
    _known: dict[tuple[torch.device, torch.dtype], _Terms] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        require(self, above_zero=["floor", "stretch", "torsion"])

    @classmethod
    def for_descent(cls, molecule: Molecule) -> "ModelHessian":
        """Return the metric of a way down from far away, which is not where curvatures at a minimum are best.

        A turn about a bond there soon brings atoms into contact, so torsions and all else that is soft count as stiffer. Of
        quenches of embedded conformers of Ac-Ala3-NHMe and Ac-Ala-NHMe to 0.003 eV/angstrom it takes 44 and 23 % of the
        evaluations away, of relaxations of Ac-Ala3-NHMe from one level of theory to another 20 %.
        """
        return cls(molecule, floor=0.15, stretch=0.7, torsion=4.0)

    def __call__(self, positions: Positions) -> Float[Tensor, "B D D"]:
        """Return the guess, positive definite, eV/angstrom^2; positions in angstrom."""
        size, terms = 3 * positions.shape[1], self._terms(positions)
        bends, turns = angle_rows(positions, terms.angles), torsion_rows(positions, terms.torsions)
        rows = torch.cat(
            [
                _BEND**0.5 * _spread(bends, terms.at_angles, size),
                (self.torsion * _TORSION) ** 0.5 * _spread(turns, terms.at_torsions, size),
            ],
            dim=1,
        )
        eye = torch.eye(size, dtype=positions.dtype, device=positions.device)
        return self._stretches(positions, terms) + rows.mT @ rows + self.floor * eye

    def _terms(self, positions: Positions) -> _Terms:
        """Return the terms where the positions are; a copy to a device would make it wait at every call."""
        key = positions.device, positions.dtype
        if key not in self._known:
            self._known[key] = _Terms.of(self.molecule, *key)
        return self._known[key]

    def _stretches(self, positions: Positions, terms: _Terms) -> Float[Tensor, "B D D"]:
        n_replicas, n_atoms, _ = positions.shape
        apart = positions[:, :, None] - positions[:, None]
        squared = (apart**2).sum(dim=-1)
        itself = torch.eye(n_atoms, dtype=torch.bool, device=positions.device)
        strength = self.stretch * _STRETCH * torch.exp((terms.decay * (terms.reach**2 - squared)).clamp(max=1.0))
        weight = strength.masked_fill(itself, 0.0) / squared.masked_fill(itself, 1.0).clamp(min=1e-6)
        blocks = weight[..., None, None] * apart[..., :, None] * apart[..., None, :]
        full = torch.where(itself[None, :, :, None, None], blocks.sum(dim=2)[:, :, None], -blocks)
        return full.permute(0, 1, 3, 2, 4).reshape(n_replicas, 3 * n_atoms, 3 * n_atoms)


def _coordinates(atoms: Int[Tensor, "Q K"]) -> Int[Tensor, "Q C"]:
    """Return the numbers of the coordinates of some atoms."""
    return (3 * atoms[:, :, None] + torch.arange(3)).reshape(len(atoms), 3 * atoms.shape[1])


def _spread(rows: Float[Tensor, "B Q K 3"], places: Int[Tensor, "Q C"], size: int) -> Float[Tensor, "B Q D"]:
    """Put the derivatives of terms at the places of their coordinates."""
    out = rows.new_zeros(*rows.shape[:2], size)
    return out.scatter_(2, places.expand(len(rows), -1, -1), rows.flatten(2))
