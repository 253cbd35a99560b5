"""Geometries that need no reference engine: embedded, scanned, distorted.

Together they shall leave no hole that a hop of a minima search can fall into: every torsion at every angle, amides in
both forms and on the way between, bonds and angles far from rest, atoms that touch.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from rdkit.Chem import GetDistanceMatrix, GetPeriodicTable, Mol, rdDistGeom, rdMolTransforms

from pesx.engines.engine import FloatArray
from pesx.errors import MoleculeError
from pesx.labelling.template import Template

CIS_SHARE = 0.15
"""Probability that an amide is made cis, far above nature's, so that the model knows both forms."""

TWISTED_SHARE = 0.06
"""Probability that an amide is put anywhere on its circle, which covers the barrier between cis and trans."""

_AMIDE_SPREAD = 14.0
_NOISE = (0.03, 0.2)
_BOND_FACTORS = (0.85, 1.25)
_ANGLE_FACTORS = (0.82, 1.2)
_SCALES = (0.93, 1.09)
_CONTACTS = (0.55, 0.9)
_TRIES = 40
_LINEAR = 172.0
_RELAXED = 2000


def embed(template: Template, rng: Generator) -> FloatArray:
    """Return a raw distance-geometry structure, angstrom (ETKDGv3, doi:10.1021/acs.jcim.0c00025).

    Raises:
        MoleculeError: RDKit finds no structure.
    """
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = int(rng.integers(1, 2**31 - 1))
    parameters.forceTransAmides = False
    mol = Mol(template.mol)
    if rdDistGeom.EmbedMolecule(mol, parameters) != 0:
        parameters.useRandomCoords = True
        if rdDistGeom.EmbedMolecule(mol, parameters) != 0:
            raise MoleculeError(f"RDKit cannot embed {template.name!r}. Check its stereocentres and rings.")
    return np.array(mol.GetConformer().GetPositions(), dtype=np.float64)


def amide_angles(template: Template, rng: Generator) -> FloatArray:
    """Return for each torsion NaN, or for amides an angle in degrees near 180 or 0, seldom elsewhere."""
    angles = np.full(len(template.torsions), np.nan)
    for index, torsion in enumerate(template.torsions):
        if torsion.is_amide:
            kind = rng.random()
            middle = 0.0 if kind < CIS_SHARE else 180.0
            angles[index] = middle + _AMIDE_SPREAD * rng.standard_normal()
            if kind > 1.0 - TWISTED_SHARE:
                angles[index] = rng.uniform(-180.0, 180.0)
    return angles


def embedded(template: Template, rng: Generator) -> FloatArray:
    """Return an embedded structure: raw, a few steps relaxed, or a minimum of the classical force field."""
    positions = embed(template, rng)
    kind = rng.integers(4)
    if kind == 0:
        return positions
    if rng.random() < 0.5:
        angles = np.where(rng.random(len(template.torsions)) < 0.5, amide_angles(template, rng), np.nan)
        positions = template.relaxed(template.turned(positions, angles), 30, hold=angles)
    return template.relaxed(positions, int(rng.integers(1, 25)) if kind == 1 else _RELAXED)


def scanned(template: Template, rng: Generator) -> FloatArray:
    """Return a structure with all torsions at random angles, relaxed a little while they are held."""
    angles = amide_angles(template, rng)
    free = np.isnan(angles)
    angles[free] = rng.uniform(-180.0, 180.0, int(free.sum()))
    turned = template.turned(embed(template, rng), angles)
    return template.relaxed(turned, int(np.exp(rng.uniform(np.log(20), np.log(300)))), hold=angles)


def conformer(template: Template, rng: Generator) -> FloatArray:
    """Return a minimum of the classical force field, reached from random torsions."""
    return template.relaxed(scanned(template, rng), _RELAXED)


def distorted(template: Template, rng: Generator) -> FloatArray:
    """Return a structure far from rest: stretched, in noise, scaled, or with atoms that touch."""
    base = conformer(template, rng) if rng.random() < 0.5 else scanned(template, rng)
    kind = rng.random()
    if kind < 0.3:
        return stretched(template, base, rng)
    if kind < 0.6:
        return noisy(base, rng)
    if kind < 0.7:
        return base * rng.uniform(*_SCALES)
    return touching(template, base, rng)


def noisy(positions: FloatArray, rng: Generator) -> FloatArray:
    """Return positions with Gaussian noise of 0.03-0.2 angstrom on every coordinate."""
    sigma = np.exp(rng.uniform(*np.log(_NOISE)))
    noise: FloatArray = sigma * rng.standard_normal(positions.shape)
    return positions + noise


def stretched(template: Template, positions: FloatArray, rng: Generator) -> FloatArray:
    """Return positions with one to four bonds or angles scaled, whatever hangs on them moving along rigidly."""
    mol = template.conformer(positions)
    place = mol.GetConformer()
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds() if not bond.IsInRing()]
    for _ in range(int(rng.integers(1, 5))):
        if not bonds:
            break
        a, b = bonds[rng.integers(len(bonds))]
        others = [atom.GetIdx() for atom in mol.GetAtomWithIdx(b).GetNeighbors() if atom.GetIdx() != a]
        if rng.random() < 0.5 or not others:
            length = rdMolTransforms.GetBondLength(place, a, b) * rng.uniform(*_BOND_FACTORS)
            rdMolTransforms.SetBondLength(place, a, b, float(length))
        else:
            c = others[rng.integers(len(others))]
            if (min(b, c), max(b, c)) in {(min(pair), max(pair)) for pair in bonds}:
                angle = min(_LINEAR, rdMolTransforms.GetAngleDeg(place, a, b, c) * rng.uniform(*_ANGLE_FACTORS))
                rdMolTransforms.SetAngleDeg(place, a, b, c, float(angle))
    return np.array(place.GetPositions(), dtype=np.float64)


def contact_ratio(template: Template, positions: FloatArray) -> float:
    """Return the least distance of atoms more than three bonds apart, over the sum of their van der Waals radii.

    Hydrogen bonds, which are close by nature (0.7), do not count.
    """
    table = GetPeriodicTable()
    radii = np.array([table.GetRvdw(int(number)) for number in template.numbers])
    donates, accepts = _hydrogen_bonding(template)
    bonding = donates[:, None] & accepts[None]
    apart = np.triu((GetDistanceMatrix(template.mol) > 3.5) & ~bonding & ~bonding.T)
    if not apart.any():
        return float("inf")
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return float((distances / (radii[:, None] + radii[None]))[apart].min())


def _hydrogen_bonding(template: Template) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which atoms are hydrogens on N or O, and which are N or O."""
    atoms = list(template.mol.GetAtoms())
    accepts = np.array([atom.GetAtomicNum() in (7, 8) for atom in atoms])
    donates = [
        atom.GetAtomicNum() == 1 and any(accepts[other.GetIdx()] for other in atom.GetNeighbors()) for atom in atoms
    ]
    return np.array(donates), accepts


def touching(template: Template, positions: FloatArray, rng: Generator) -> FloatArray:
    """Return positions after a rigid turn of some torsions that brings atoms into contact.

    The closest contact aims at 0.55 to 0.9 of the van der Waals distance, uniformly: as close as a careless torsion
    move of a search would bring them. Relaxed structures have 0.85 or more.
    """
    target = rng.uniform(*_CONTACTS)
    best, best_error = positions, abs(contact_ratio(template, positions) - target)
    now = template.measured(positions)
    for _ in range(_TRIES):
        if best_error < 0.02:
            break
        chosen = [not torsion.is_amide and rng.random() < 0.4 for torsion in template.torsions]
        angles = np.where(chosen, now + rng.uniform(-180.0, 180.0, len(now)), np.nan)
        trial = template.turned(positions, angles)
        error = abs(contact_ratio(template, trial) - target)
        if error < best_error:
            best, best_error = trial, error
    return best


__all__ = [
    "CIS_SHARE",
    "amide_angles",
    "conformer",
    "contact_ratio",
    "distorted",
    "embed",
    "embedded",
    "noisy",
    "scanned",
    "stretched",
    "touching",
]
