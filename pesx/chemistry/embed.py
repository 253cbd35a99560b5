"""Geometries from a bond graph: a molecule from SMILES, and many conformers of a molecule to start a search from."""

from typing import Any

import numpy as np
import torch
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from pesx.chemistry.perceive import CIS, Topology, classify_torsions, perceive, to_rdkit
from pesx.errors import InputError, MoleculeError
from pesx.geometry.torsion import rotate_about_bond, torsion_angles
from pesx.molecule import Molecule
from pesx.typing import Bool, Float, Positions, Tensor

_MMFF_STEPS = 500
_LARGEST_SEED = 2**31 - 2


def molecule_from_smiles(smiles: str, *, name: str = "", seed: int = 0) -> Molecule:
    """Return a molecule with hydrogens and one geometry: ETKDG, relaxed with MMFF94.

    Charge and multiplicity follow from the formal charges and radical electrons. Stereocentres that the SMILES leaves
    open come out one way or the other.

    Args:
        smiles: One connected molecule.
        name: Of the molecule; the SMILES itself where empty.
        seed: Of the embedding.

    Raises:
        InputError: The SMILES cannot be parsed.
        MoleculeError: No geometry was found.
    """
    with rdBase.BlockLogs():
        parsed = Chem.MolFromSmiles(smiles)
        if parsed is None or parsed.GetNumAtoms() == 0:
            raise InputError(
                f"Expected a SMILES; came {smiles!r}, which RDKit cannot parse. Check valences and brackets."
            )
        full = Chem.AddHs(parsed)
        _embed(full, 1, seed, trans=True)
        _relax(full)
    bonds = [sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in full.GetBonds()]
    return Molecule(
        numbers=torch.tensor([atom.GetAtomicNum() for atom in full.GetAtoms()]),
        positions=_coordinates(full)[0],
        charge=Chem.GetFormalCharge(full),
        multiplicity=1 + sum(atom.GetNumRadicalElectrons() for atom in full.GetAtoms()),
        bonds=torch.tensor(bonds, dtype=torch.int64).reshape(-1, 2),
        name=name or smiles,
    )


def embed(molecule: Molecule, n: int, seed: int, *, cis_amides: bool = False) -> Positions:
    """Return conformers of a molecule in its own atom order, with the handedness of its input geometry.

    ETKDGv3 (Wang et al. 2020, doi:10.1021/acs.jcim.0c00025), relaxed with MMFF94 (UFF where MMFF94 has no parameters).

    Args:
        molecule: With bonds.
        n: How many conformers.
        seed: Of the embedding; the same seed gives the same conformers.
        cis_amides: Turn about half of all amides over, at random; otherwise each keeps its form in the input.

    Returns:
        Angstrom, float64.

    Raises:
        InputError: Fewer than one conformer is asked for.
        MoleculeError: There are no bonds, bond orders cannot be assigned, or no geometry satisfies the graph.
    """
    if n < 1:
        raise InputError(f"Expected to embed at least one conformer; came n = {n}. Ask for more.")
    if len(molecule.bonds) == 0:
        raise MoleculeError(
            f"Expected a molecule with bonds to embed; came {molecule.formula} without. Start at random."
        )
    full, has_orders = to_rdkit(molecule)
    if not has_orders:
        raise MoleculeError(
            f"Expected a molecule whose bond orders can be assigned; came {molecule.formula} with charge "
            f"{molecule.charge}. Correct the charge, or start from the input geometry alone."
        )
    with rdBase.BlockLogs():
        _embed(full, n, seed, trans=not cis_amides)
        topology = perceive(molecule)
        if len(topology.amides):
            embedded = _coordinates(full)
            _store(full, _set_amides(embedded, topology, seed=seed, cis_amides=cis_amides))
        _relax(full)
    return _coordinates(full)


def _embed(full: Chem.Mol, n: int, seed: int, *, trans: bool) -> None:
    """Fill the molecule with n conformers, by random coordinates where the eigenvalue start fails."""
    settings: Any = rdDistGeom.ETKDGv3()  # its stubs lack the fields
    # With 0 RDKit goes on with a generator of its own, and the result would depend on what was embedded before.
    settings.randomSeed = seed % _LARGEST_SEED + 1
    settings.forceTransAmides = trans
    for is_random in (False, True):
        settings.useRandomCoords = is_random
        if len(rdDistGeom.EmbedMultipleConfs(full, n, settings)) == n:
            return
    raise MoleculeError(
        f"Expected {n} geometries that satisfy the bond graph; came {full.GetNumConformers()} from ETKDG. "
        "Check the stereocentres, or start from an input geometry alone."
    )


def _relax(full: Chem.Mol) -> None:
    """Relax all conformers in place; leave them as they are where no force field knows the molecule."""
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(full):
        rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(full, numThreads=1, maxIters=_MMFF_STEPS)
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(full):
        rdForceFieldHelpers.UFFOptimizeMoleculeConfs(full, numThreads=1, maxIters=_MMFF_STEPS)


def _coordinates(full: Chem.Mol) -> Positions:
    return torch.from_numpy(np.stack([conformer.GetPositions() for conformer in full.GetConformers()]))


def _store(full: Chem.Mol, positions: Positions) -> None:
    for conformer, xyz in zip(full.GetConformers(), positions.numpy(), strict=True):
        conformer.SetPositions(xyz)


def _set_amides(positions: Positions, topology: Topology, *, seed: int, cis_amides: bool) -> Positions:
    """Turn amides over that are not as wanted; those in rings stay."""
    wanted = _wanted_cis(topology, len(positions), seed=seed, cis_amides=cis_amides)
    turned: Float[Tensor, "B N 3"] = positions
    for axis, moving in zip(topology.amide_rotors.bonds, topology.amide_rotors.moving, strict=True):
        match = (topology.amides[:, 1:3].sort(dim=1).values == axis.sort().values).all(dim=1).nonzero()
        if len(match):
            amide = int(match[0])
            angles = torsion_angles(turned, topology.amides[amide : amide + 1])[:, 0]
            is_wrong = (classify_torsions(angles) == CIS) != wanted[:, amide]
            turned = rotate_about_bond(turned, axis, moving, torch.pi * is_wrong.double())
    return turned


def _wanted_cis(topology: Topology, n: int, *, seed: int, cis_amides: bool) -> Bool[Tensor, "B A"]:
    n_amides = len(topology.amides)
    if cis_amides:
        return torch.from_numpy(np.random.default_rng(seed).random((n, n_amides)) < 0.5)
    return (topology.amide_classes == CIS).expand(n, n_amides)
