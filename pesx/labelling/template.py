"""A molecule as the samplers see it: its graph, its torsions and a classical force field.

The force field is MMFF94 (doi:10.1002/(SICI)1096-987X(199604)17:5/6<490::AID-JCC1>3.0.CO;2-P) where it knows every
atom, UFF (doi:10.1021/ja00051a040) elsewhere. It only makes geometries; no label comes from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers, rdMolTransforms

from pesx.engines.engine import FloatArray, IntArray
from pesx.errors import MoleculeError
from pesx.units import KCAL_PER_MOL

_AMIDE = Chem.MolFromSmarts("[CX3](=[OX1])-[NX3]")
_RESTRAINT = 200.0
"""Force constant of a restrained torsion, kcal/(mol rad^2)."""


@dataclass(frozen=True)
class Torsion:
    """A bond that can turn, by the four atoms that measure it.

    Attributes:
        atoms: Indices a-b-c-d; b-c is the bond.
        is_amide: Whether b-c is an amide bond, which prefers 180 (trans) and 0 degrees (cis).
    """

    atoms: tuple[int, int, int, int]
    is_amide: bool


@dataclass(frozen=True)
class Template:
    """A molecule to sample.

    Attributes:
        name: Its name in the store.
        mol: RDKit molecule with all hydrogens and no conformer.
        torsions: Bonds outside rings that can turn, methyl groups included.
    """

    name: str
    mol: Chem.Mol
    torsions: tuple[Torsion, ...]

    @property
    def numbers(self) -> IntArray:
        """Atomic numbers."""
        return np.array([atom.GetAtomicNum() for atom in self.mol.GetAtoms()], dtype=np.int64)

    @property
    def masses(self) -> FloatArray:
        """Atomic masses, u."""
        return np.array([atom.GetMass() for atom in self.mol.GetAtoms()], dtype=np.float64)

    @property
    def charge(self) -> int:
        """Total charge, e."""
        return int(Chem.GetFormalCharge(self.mol))

    @property
    def multiplicity(self) -> int:
        """2S+1, from the unpaired electrons written in the SMILES."""
        return 1 + sum(int(atom.GetNumRadicalElectrons()) for atom in self.mol.GetAtoms())

    def conformer(self, positions: FloatArray) -> Chem.Mol:
        """Return a copy of the molecule with these positions (angstrom) as its only conformer."""
        mol = Chem.Mol(self.mol)
        mol.RemoveAllConformers()
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.SetPositions(np.ascontiguousarray(positions, dtype=np.float64))
        mol.AddConformer(conformer)
        return mol

    def turned(self, positions: FloatArray, degrees: FloatArray) -> FloatArray:
        """Return positions with every torsion set, all else rigid.

        Args:
            positions: Angstrom.
            degrees: One angle per torsion; NaN leaves a torsion as it is.
        """
        mol = self.conformer(positions)
        for torsion, angle in zip(self.torsions, degrees, strict=True):
            if np.isfinite(angle):
                rdMolTransforms.SetDihedralDeg(mol.GetConformer(), *torsion.atoms, float(angle))
        return np.array(mol.GetConformer().GetPositions(), dtype=np.float64)

    def measured(self, positions: FloatArray) -> FloatArray:
        """Return every torsion in degrees, -180 to 180."""
        conformer = self.conformer(positions).GetConformer()
        return np.array([rdMolTransforms.GetDihedralDeg(conformer, *torsion.atoms) for torsion in self.torsions])

    def relaxed(self, positions: FloatArray, n_steps: int, *, hold: FloatArray | None = None) -> FloatArray:
        """Return positions after some steps of relaxation on the classical force field.

        Args:
            positions: Angstrom.
            n_steps: Steps of BFGS; many make a minimum.
            hold: One angle in degrees per torsion that shall be kept; NaN leaves it free.
        """
        mol = self.conformer(positions)
        field, is_mmff = _field(mol)
        add = field.MMFFAddTorsionConstraint if is_mmff else field.UFFAddTorsionConstraint
        for torsion, angle in zip(self.torsions, hold if hold is not None else [], strict=hold is not None):
            if np.isfinite(angle):
                add(*torsion.atoms, False, float(angle) - 1.0, float(angle) + 1.0, _RESTRAINT)
        field.Minimize(maxIts=n_steps)
        return np.array(mol.GetConformer().GetPositions(), dtype=np.float64)

    def classical(self, positions: FloatArray) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """Return energy (eV) and forces (eV/angstrom) of the classical force field as a function of positions."""
        return _Classical(self.conformer(positions))


class _Classical:
    """The classical force field of one molecule, which it keeps alive."""

    def __init__(self, mol: Chem.Mol) -> None:
        self._mol = mol
        self._field, _ = _field(mol)

    def __call__(self, positions: FloatArray) -> tuple[float, FloatArray]:
        flat = positions.ravel().tolist()
        energy = self._field.CalcEnergy(flat)  # first, because it renews the distances that CalcGrad goes by
        gradient = np.array(self._field.CalcGrad(flat), dtype=np.float64).reshape(-1, 3)
        return energy * KCAL_PER_MOL, -gradient * KCAL_PER_MOL


def _field(mol: Chem.Mol) -> tuple[Any, bool]:
    """Return the force field and whether it is MMFF; it points into the molecule, which must outlive it."""
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    is_mmff = properties is not None
    if is_mmff:
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties, nonBondedThresh=100.0)
    else:
        field = rdForceFieldHelpers.UFFGetMoleculeForceField(mol)
    field.Initialize()
    return field, is_mmff


def _heavier_neighbour(atom: Chem.Atom, *, but: int) -> int:
    """Return the neighbour that a torsion is measured by: no double-bonded oxygen, no hydrogen if that can be."""
    others = [other for other in atom.GetNeighbors() if other.GetIdx() != but]
    best = max(others, key=lambda other: (other.GetDegree(), other.GetAtomicNum(), -other.GetIdx()))
    return int(best.GetIdx())


def _torsions(mol: Chem.Mol) -> tuple[Torsion, ...]:
    amides = {frozenset((carbon, nitrogen)) for carbon, _, nitrogen in mol.GetSubstructMatches(_AMIDE)}
    found = []
    for bond in mol.GetBonds():
        first, second = bond.GetBeginAtom(), bond.GetEndAtom()
        if (
            bond.IsInRing()
            or bond.GetBondType() != Chem.BondType.SINGLE
            or min(first.GetDegree(), second.GetDegree()) < 2
        ):
            continue
        b, c = first.GetIdx(), second.GetIdx()
        a, d = _heavier_neighbour(first, but=c), _heavier_neighbour(second, but=b)
        found.append(Torsion((a, b, c, d), frozenset((b, c)) in amides))
    return tuple(found)


@lru_cache(maxsize=64)
def make_template(name: str, smiles: str) -> Template:
    """Return the template of a molecule.

    Args:
        name: Its name in the store.
        smiles: Its graph, stereocentres included.

    Raises:
        MoleculeError: The SMILES cannot be read.
    """
    with rdBase.BlockLogs():
        parsed = Chem.MolFromSmiles(smiles)
    if parsed is None:
        raise MoleculeError(f"Expected a SMILES for {name!r}, came {smiles!r}, which RDKit cannot read.")
    mol = Chem.AddHs(parsed)
    return Template(name, mol, _torsions(mol))


__all__ = ["Template", "Torsion", "make_template"]
