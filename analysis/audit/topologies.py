"""The molecule of a trajectory: its bonds, and the geometry whose handedness and amides are to be kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import networkx as nx
import torch

from pesx.chemistry import perceive_bonds, read_molecule
from pesx.errors import InputError, MoleculeError
from pesx.molecule import Molecule

_NM = 10.0
"""Angstrom; the unit of length of MDTraj."""

_OF_MOLECULES = (".xyz", ".extxyz", ".sdf", ".mol")

FOLDER_TOPOLOGY = "topology.pdb"
"""Of a folder of ``pesx md``."""


@dataclass(frozen=True, eq=False)
class NamedMolecule:
    """A molecule, and how MDTraj knows it.

    Attributes:
        molecule: With bonds, and the reference geometry.
        topology: Of MDTraj, for reading files.
        bonds_from: Where the bonds are from, for people.
    """

    molecule: Molecule
    topology: Any
    bonds_from: str


def read_topology(path: Path | str, *, charge: int = 0, multiplicity: int = 1) -> NamedMolecule:
    """Return the molecule that a file describes.

    The bonds of a PDB file are its CONECT records and those of known residues where together they join all atoms, and else
    those that the geometry shows.

    Args:
        path: PDB file or anything else with coordinates that MDTraj reads as a topology; an xyz, extxyz, sdf or mol file; or a
            folder of ``pesx md``.
        charge: e; for files that do not say it.
        multiplicity: 2S+1; for files that do not say it.

    Raises:
        InputError: The file cannot be read.
        MoleculeError: What was read is not one molecule.
    """
    path = Path(path)
    path = path / FOLDER_TOPOLOGY if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"Expected a topology; came {str(path)!r}, which does not exist. Check the path.")
    if path.suffix.lower() in _OF_MOLECULES:
        molecule = read_molecule(path, charge=charge or None, multiplicity=None if multiplicity == 1 else multiplicity)
        return NamedMolecule(molecule, topology_of(molecule), f"those of {path.name}")
    try:
        loaded = mdtraj.load(str(path))
    except Exception as error:
        raise InputError(
            f"{path}: expected a topology with coordinates, such as PDB; came a file that MDTraj cannot read ({error}). Give a "
            "PDB file or a molecule file."
        ) from error
    return _from_mdtraj(loaded, path, charge=charge, multiplicity=multiplicity)


def _from_mdtraj(loaded: Any, path: Path, *, charge: int, multiplicity: int) -> NamedMolecule:
    atoms = list(loaded.topology.atoms)
    if any(atom.element is None or atom.element.atomic_number == 0 for atom in atoms):
        raise MoleculeError(
            f"{path}: expected the element of every atom; came atoms without. Fill in the element columns."
        )
    numbers = torch.tensor([atom.element.atomic_number for atom in atoms])
    positions = torch.from_numpy(loaded.xyz[0]).to(torch.float64) * _NM
    named = torch.tensor(sorted({tuple(sorted((a.index, b.index))) for a, b in loaded.topology.bonds})).reshape(-1, 2)
    bonds, source = named, "residues and CONECT records"
    if not _joins_all(len(atoms), bonds):
        bonds, source = perceive_bonds(numbers, positions), "distances, since the file does not name them all"
    if not _joins_all(len(atoms), bonds):
        raise MoleculeError(
            f"{path}: expected one connected molecule; came pieces. Write a topology and trajectories of one molecule."
        )
    molecule = Molecule(numbers, positions, charge, multiplicity, bonds=bonds, name=path.stem)
    return NamedMolecule(molecule, loaded.topology, source)


def topology_of(molecule: Molecule) -> Any:
    """Return a molecule as MDTraj knows it: one residue, atoms named by element and number."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("MOL", topology.add_chain())
    for index, number in enumerate(molecule.numbers.tolist()):
        element = mdtraj.element.Element.getByAtomicNumber(number)
        topology.add_atom(f"{element.symbol}{index}", element, residue)
    for i, j in molecule.bonds.tolist():
        topology.add_bond(topology.atom(i), topology.atom(j))
    return topology


def _joins_all(n_atoms: int, bonds: torch.Tensor) -> bool:
    graph: nx.Graph[int] = nx.Graph(bonds.tolist())
    graph.add_nodes_from(range(n_atoms))
    return nx.is_connected(graph)


__all__ = ["FOLDER_TOPOLOGY", "NamedMolecule", "read_topology", "topology_of"]
