"""Is every stored minimum of a run what it is said to be? Checked with other code than that which stored it.

    python benchmarks/verify_minima.py runs/ala3-1 --sample 100 --workers 2

Forces in float64 with the potential of the run; a Hessian by central differences of these forces, rigid motions projected
out; bonds, CIP labels and amides read off the coordinates; pairs within 1 meV compared by irmsd (where installed) and by
the least RMSD over the automorphisms. Then a random sample is relaxed with GFN2-xTB itself: how far do the structures
move, and how good are the relative energies?
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import covalent_radii
from rdkit import Chem
from rdkit.Chem import rdCIPLabeler, rdMolTransforms
from rdkit.Geometry import Point3D
from reoptimise import EngineChoice, reoptimise
from report import make_parser, plain_settings, set_threads, show, write

from pesx import Molecule, RunStore, make_potential
from pesx.chemistry.perceive import to_rdkit
from pesx.identity import MolecularIdentity
from pesx.protocols import Potential
from pesx.run import is_reduced, read_settings

Tensor = torch.Tensor

LARGEST_FORCE = 1e-3  # eV/angstrom
SAME_ENERGY, SAME_STRUCTURE = 1e-3, 0.05  # eV, angstrom
STEP = 1e-3  # angstrom, of the central differences
BOND_FACTOR = 1.2  # times the sum of covalent radii
TRANS_ABOVE = 120.0  # degree
ALPHA_CARBON = Chem.MolFromSmarts("[NX3][CX4H1]([#6])[CX3]=O")
AMIDE = Chem.MolFromSmarts("[#6][CX3](=O)[NX3H1][#6]")


def lowest_curvature(potential: Potential, structure: Tensor) -> float:
    """Return the lowest eigenvalue of the Hessian of a nonlinear molecule without rigid motions, eV/angstrom^2."""
    size = structure.numel()
    shifts = STEP * torch.eye(size, dtype=torch.float64).view(size, -1, 3)
    forces = potential(torch.cat([structure + shifts, structure - shifts])).forces.reshape(2, size, size)
    second = (forces[1] - forces[0]) / (2 * STEP)
    internal = internal_basis(structure)
    return float(torch.linalg.eigvalsh(internal.T @ (0.5 * (second + second.T)) @ internal)[0])


def internal_basis(structure: Tensor) -> Tensor:
    """Return an orthonormal basis of all motions but translations and rotations, one per column."""
    centred = structure - structure.mean(dim=0)
    axes = torch.eye(3, dtype=torch.float64)[:, None].expand(3, *structure.shape)
    rigid = torch.cat([axes, torch.linalg.cross(axes, centred.expand_as(axes))]).flatten(1)
    basis: Tensor = torch.linalg.qr(rigid.T, mode="complete")[0]
    return basis[:, 6:]


def bonds_of(molecule: Molecule, structure: Tensor) -> set[tuple[int, int]]:
    """Return the bonds that the distances show."""
    radius = covalent_radii[molecule.numbers.numpy()]
    gaps = np.linalg.norm(structure.numpy()[:, None] - structure.numpy(), axis=-1)
    return set(zip(*np.nonzero(np.triu(gaps < BOND_FACTOR * (radius[:, None] + radius), k=1)), strict=True))


class Labels:
    """CIP labels and amide torsions from coordinates, by RDKit."""

    def __init__(self, molecule: Molecule) -> None:
        self._mol, has_orders = to_rdkit(molecule)
        if not has_orders:
            sys.exit(f"Expected a molecule with bond orders that RDKit can assign; came {molecule.formula}.")
        self._alpha = [match[1] for match in self._mol.GetSubstructMatches(ALPHA_CARBON)]
        self._amides = [(a, c, n, b) for a, c, _, n, b in self._mol.GetSubstructMatches(AMIDE)]

    def __call__(self, structure: Tensor) -> tuple[dict[int, str], bool, bool]:
        """Return CIP labels by atom, whether all residues are L, and whether all secondary amides are trans."""
        mol = Chem.Mol(self._mol)
        conformer = mol.GetConformer()
        for atom, xyz in enumerate(structure.tolist()):
            conformer.SetAtomPosition(atom, Point3D(*xyz))
        Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
        rdCIPLabeler.AssignCIPLabels(mol)
        labels = {atom.GetIdx(): atom.GetProp("_CIPCode") for atom in mol.GetAtoms() if atom.HasProp("_CIPCode")}
        is_left = all(labels.get(atom) == self._label_of_l(mol.GetAtomWithIdx(atom)) for atom in self._alpha)
        angles = [abs(rdMolTransforms.GetDihedralDeg(conformer, *amide)) for amide in self._amides]
        return labels, is_left, all(angle > TRANS_ABOVE for angle in angles)

    @staticmethod
    def _label_of_l(alpha: Chem.Atom) -> str:
        """S, but R for cysteine, where sulphur outranks the carbonyl."""
        second = (end for near in alpha.GetNeighbors() for end in near.GetNeighbors())
        return "R" if any(end.GetAtomicNum() == 16 for end in second) else "S"


def check_pairs(molecule: Molecule, positions: Tensor, energy: Tensor, mirror: str) -> dict[str, Any]:
    """Compare all pairs of about the same energy by both measures."""
    first, second = torch.combinations(torch.arange(len(energy))).unbind(1) if len(energy) > 1 else (energy.long(),) * 2
    near = (energy[first] - energy[second]).abs() <= SAME_ENERGY if len(energy) > 1 else first < 0
    first, second = first[near], second[near]
    ours = MolecularIdentity(molecule, mirror=mirror).distance(positions[first], positions[second]).tolist()
    theirs = irmsd_distances(molecule, positions[first], positions[second], mirror)
    return {
        "pairs_within_1_meV": len(first),
        "measures": ["automorphisms"] if theirs is None else ["automorphisms", "irmsd"],
        "closest_by_automorphisms": min(ours, default=None),
        "closest_by_irmsd": min(theirs or [], default=None),
        "duplicates": sum(min(pair) <= SAME_STRUCTURE for pair in zip(ours, theirs or ours, strict=True)),
    }


def irmsd_distances(molecule: Molecule, a: Tensor, b: Tensor, mirror: str) -> list[float] | None:
    """Return the permutation-invariant RMSD of each pair, angstrom; None without the package."""
    try:
        from irmsd import get_irmsd  # type: ignore[import-untyped]
    except ImportError:
        return None
    numbers = molecule.numbers.numpy().astype(np.int32)
    inversion = {"merge": 1, "distinct": 2}[mirror]
    pairs = zip(a.numpy(), b.numpy(), strict=True)
    return [float(get_irmsd(numbers, x, numbers, y, iinversion=inversion)[0]) for x, y in pairs]


def check_each(potential: Potential, molecule: Molecule, positions: Tensor, n_hessians: int) -> dict[str, Any]:
    """Check forces, curvatures and chemistry of every structure, curvatures of the first few only if so told."""
    largest = torch.linalg.vector_norm(potential(positions).forces, dim=-1).amax(dim=-1)
    curvatures = []
    for number, structure in enumerate(positions[:n_hessians]):
        curvatures.append(lowest_curvature(potential, structure))
        print(f"\rHessians: {number + 1} of {min(n_hessians, len(positions))}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    expected = {(i, j) for i, j in molecule.bonds.tolist()}
    labels_of = Labels(molecule)
    wanted = labels_of(molecule.positions)[0]
    labels = [labels_of(structure) for structure in positions]
    return {
        "minima": len(positions),
        "largest_force": float(largest.max()),
        "force_too_large": int((largest >= LARGEST_FORCE).sum()),
        "hessians": len(curvatures),
        "lowest_eigenvalue": min(curvatures, default=None),
        "with_negative_mode": sum(value < 0 for value in curvatures),
        "other_bonds": sum(bonds_of(molecule, structure) != expected for structure in positions),
        "other_cip_labels": sum(found != wanted for found, _, _ in labels),
        "not_all_l": sum(not is_left for _, is_left, _ in labels),
        "not_all_trans": sum(not is_trans for _, _, is_trans in labels),
    }


FAULTS = ("force_too_large", "with_negative_mode", "other_bonds", "other_cip_labels", "not_all_l", "duplicates")
"""Counts that must be zero; ``not_all_trans`` too, unless the run allowed cis amides."""


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, "verify_minima.json")
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--model", default=None, help="model file, if the one in config.toml has moved")
    parser.add_argument("--hessians", type=int, default=10**9, help="how many minima get a Hessian (default all)")
    parser.add_argument("--engine", default="gfn2", help="what relaxes the sample (default gfn2)")
    parser.add_argument("--sample", type=int, default=100, help="minima to relax with it; 0 for none (default 100)")
    parser.add_argument("--workers", type=int, default=2, help="processes of the engine (default 2)")
    return parser.parse_args(words)


def main(arguments: argparse.Namespace) -> None:
    """Check, show and write."""
    set_threads(arguments.threads)
    settings = read_settings(arguments.run)
    if is_reduced(settings):
        sys.exit(f"Expected a run of a molecule with bonds; came one of {settings.potential}.")
    with RunStore.read(arguments.run) as store:
        molecule, minima = store.molecule, store.minima()
    potential, source = make_potential(settings.potential, molecule, model=arguments.model or settings.model)
    results: dict[str, Any] = {"molecule": molecule.name or molecule.formula, "model": source.digest}
    results |= check_each(potential, molecule, minima.positions, arguments.hessians)
    results |= check_pairs(molecule, minima.positions, minima.energy, settings.mirror)
    faults = FAULTS if settings.amides == "allow" else (*FAULTS, "not_all_trans")
    results["is_sound"] = not any(results[name] for name in faults)
    show("Every minimum", ("what", "value"), list(results.items()))
    if arguments.sample:
        picks = np.random.default_rng(arguments.seed).permutation(len(minima))[: arguments.sample]
        energy = potential(minima.positions[picks]).energy
        choice = EngineChoice(arguments.engine, arguments.workers)
        results["sample"] = reoptimise(molecule, minima.positions[picks], energy, engine=choice)
        rows = [(name, value) for name, value in results["sample"].items() if not isinstance(value, list)]
        show(f"Sample relaxed with {arguments.engine}", ("what", "value"), rows)
    write(arguments.out, settings=plain_settings(arguments), results=results)


if __name__ == "__main__":
    main(parse())
