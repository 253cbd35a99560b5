"""Chemistry read from a geometry: bonds, bond orders, rotatable bonds, stereocentres, amides, double bonds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import torch
from ase.data import covalent_radii
from rdkit import Chem, rdBase
from rdkit.Chem import rdCIPLabeler, rdDetermineBonds

from pesx.chemistry.conformer import conformer_of
from pesx.chemistry.symmetry import bond_graph, neighbours, orbits
from pesx.geometry.torsion import torsion_angles, triple_products
from pesx.molecule import Molecule
from pesx.typing import Bool, Float, Int, Tensor

BOND_FACTOR = 1.2
"""Atoms nearer than this times the sum of their covalent radii are bonded."""

TRANS, CIS, TWISTED = 0, 1, 2
"""Classes of a torsion about an amide or double bond."""

CIS_BELOW, TRANS_ABOVE = 60.0, 120.0
"""Limits of the classes, degree."""

_LONGEST_DOUBLE_BOND = 1.41
"""Angstrom; between C=C next to another double bond (1.35) and the single bond there (1.46)."""

_NOBLE = (2, 10, 18)
_MOST_ORDER_TRIALS = 2000


@dataclass(frozen=True, eq=False)
class Rotors:
    """Bonds about which one side of the molecule can turn.

    Attributes:
        bonds: The fixed and the moving atom of each bond; the moving side is the smaller one.
        moving: Atoms that turn with the moving atom, itself included.
        quads: Atoms of one torsion about each bond, the bond in the middle.
    """

    bonds: Int[Tensor, "R 2"]
    moving: Bool[Tensor, "R N"]
    quads: Int[Tensor, "R 4"]


@dataclass(frozen=True, eq=False)
class Topology:
    """What the bond graph and the input geometry of a molecule say about its shape.

    Attributes:
        torsions: Rotatable single bonds, in order along the chain; no methyls, no amides.
        methyls: Rotors with three like ends: CH3, NH3+, CF3.
        amide_rotors: Amide bonds outside rings.
        amides: Omega torsions (C-alpha, C, N, X) of the amides that have a cis and a trans form.
        amide_classes: TRANS, CIS or TWISTED of each amide in the input.
        double_bonds: Torsions a-C=C-b of the double bonds that have a cis and a trans form.
        double_bond_classes: TRANS, CIS or TWISTED of each double bond in the input.
        centres: Stereocentres, each with three of its neighbours.
        handedness: Sign of the triple product of each stereocentre in the input.
        letters: R or S of each stereocentre in the input; + or - where the rules give neither.
    """

    torsions: Rotors
    methyls: Rotors
    amide_rotors: Rotors
    amides: Int[Tensor, "A 4"]
    amide_classes: Int[Tensor, "A"]
    double_bonds: Int[Tensor, "D 4"]
    double_bond_classes: Int[Tensor, "D"]
    centres: Int[Tensor, "S 4"]
    handedness: Float[Tensor, "S"]
    letters: str


def radii(numbers: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Return covalent radii, angstrom (Cordero et al. 2008, doi:10.1039/b801115j)."""
    return torch.from_numpy(covalent_radii)[numbers]


def perceive_bonds(numbers: Int[Tensor, "N"], positions: Float[Tensor, "N 3"]) -> Int[Tensor, "M 2"]:
    """Return the bonded pairs of a geometry: closer than 1.2 times the sum of covalent radii.

    Helium, neon and argon never bond.

    Args:
        numbers: Atomic numbers.
        positions: Angstrom.
    """
    radius = radii(numbers)
    limit = BOND_FACTOR * (radius[:, None] + radius)
    inert = torch.isin(numbers, torch.tensor(_NOBLE))
    near = (torch.cdist(positions[None], positions[None])[0] < limit) & ~inert[:, None] & ~inert
    return torch.triu(near, diagonal=1).nonzero()


def classify_torsions(angles: Tensor) -> Tensor:
    """Return TRANS, CIS or TWISTED for torsion angles in radian."""
    size = angles.abs().rad2deg()
    twisted = torch.full_like(size, TWISTED, dtype=torch.int64)
    return torch.where(size <= CIS_BELOW, CIS, torch.where(size >= TRANS_ABOVE, TRANS, twisted))


def to_rdkit(molecule: Molecule) -> tuple[Chem.Mol, bool]:
    """Return the molecule for RDKit, with its geometry, and whether bond orders could be assigned.

    Where they could not (radicals, unusual valences) all bonds are single and the molecule is not sanitised.
    """
    bare = Chem.RWMol(bond_graph(molecule))
    bare.AddConformer(conformer_of(molecule.positions))
    if molecule.multiplicity != 1:
        return bare.GetMol(), False
    full = Chem.RWMol(bare)
    for atom in full.GetAtoms():
        atom.SetNoImplicit(False)
    try:
        with rdBase.BlockLogs():
            rdDetermineBonds.DetermineBondOrders(
                full, charge=molecule.charge, embedChiral=False, maxIterations=_MOST_ORDER_TRIALS
            )
            Chem.SanitizeMol(full)
            Chem.AssignStereochemistryFrom3D(full)
    except (ValueError, RuntimeError):
        return bare.GetMol(), False
    return full.GetMol(), True


def perceive(molecule: Molecule) -> Topology:
    """Return rotatable bonds, stereocentres, amides and double bonds of a molecule."""
    scene = _Scene(molecule)
    rotatable, methyls = scene.rotatable()
    amides, double_bonds, centres = scene.amides(), scene.double_bonds(), scene.centres()
    geometry = molecule.positions[None]
    handedness = triple_products(geometry, centres)[0].sign()
    return Topology(
        torsions=scene.rotors(rotatable),
        methyls=scene.rotors(methyls),
        amide_rotors=scene.rotors([bond for bond in scene.amide_bonds if bond in scene.bridges]),
        amides=amides,
        amide_classes=classify_torsions(torsion_angles(geometry, amides)[0]),
        double_bonds=double_bonds,
        double_bond_classes=classify_torsions(torsion_angles(geometry, double_bonds)[0]),
        centres=centres,
        handedness=handedness,
        letters=scene.letters(centres, handedness),
    )


class _Scene:
    """A molecule with all that perception asks of it, worked out once."""

    def __init__(self, molecule: Molecule) -> None:
        self.molecule = molecule
        self.numbers = molecule.numbers.tolist()
        self.near = neighbours(molecule)
        self.ranks = orbits(molecule).tolist()
        self.graph: nx.Graph[int] = nx.Graph(molecule.bonds.tolist())
        bridges: Any = nx.bridges(self.graph)  # its stubs take an edge for a node
        self.bridges = {(min(edge), max(edge)) for edge in bridges}
        self.rdkit, self.has_orders = to_rdkit(molecule)
        self.amide_bonds = self._find_amide_bonds()

    def others(self, atom: int, *but: int) -> list[int]:
        """Return the neighbours of an atom but some, the most telling first: heavy, branched, high in rank."""

        def weight(neighbour: int) -> tuple[bool, int, int, int]:
            is_heavy = self.numbers[neighbour] > 1
            return is_heavy, sum(self.numbers[a] for a in self.near[neighbour]), self.ranks[neighbour], -neighbour

        return sorted((a for a in self.near[atom] if a not in but), key=weight, reverse=True)

    def order(self, i: int, j: int) -> float:
        """Return the order of a bond; without RDKit's help, 2 for a short bond between planar carbons, else 1."""
        if self.has_orders:
            return float(self.rdkit.GetBondBetweenAtoms(i, j).GetBondTypeAsDouble())
        are_planar = all(self.numbers[a] == 6 and len(self.near[a]) == 3 for a in (i, j))
        length = float(torch.dist(self.molecule.positions[i], self.molecule.positions[j]))
        return 2.0 if are_planar and length < _LONGEST_DOUBLE_BOND else 1.0

    def is_linear(self, atom: int) -> bool:
        """Return whether an atom has two neighbours on opposite sides; a torsion through it has no meaning."""
        if len(self.near[atom]) != 2:
            return False
        arms = torch.nn.functional.normalize(self.molecule.positions[self.near[atom]] - self.molecule.positions[atom])
        return bool((arms[0] * arms[1]).sum() < -0.95)

    def is_methyl(self, atom: int, axis: int) -> bool:
        """Return whether an atom carries three like ends beside the axis."""
        ends = [a for a in self.near[atom] if a != axis]
        return (
            len(ends) == 3 and all(len(self.near[a]) == 1 for a in ends) and len({self.numbers[a] for a in ends}) == 1
        )

    def rotatable(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return rotatable bonds and methyl bonds."""
        torsions: list[tuple[int, int]] = []
        methyls: list[tuple[int, int]] = []
        for i, j in sorted(self.bridges - set(self.amide_bonds)):
            if min(len(self.near[i]), len(self.near[j])) < 2 or self.is_linear(i) or self.is_linear(j):
                continue
            if self.order(i, j) != 1.0:
                continue
            (methyls if self.is_methyl(i, j) or self.is_methyl(j, i) else torsions).append((i, j))
        return torsions, methyls

    def rotors(self, bonds: list[tuple[int, int]]) -> Rotors:
        """Return rotors about bonds, ordered from one end of the molecule to the other."""
        n_atoms = self.molecule.n_atoms
        depth = self._depth()
        axes, masks, quads = [], [], []
        for i, j in sorted(bonds, key=lambda bond: (min(depth[bond[0]], depth[bond[1]]), bond)):
            self.graph.remove_edge(i, j)
            side = nx.node_connected_component(self.graph, j)
            self.graph.add_edge(i, j)
            fixed, moving = (i, j) if 2 * len(side) <= n_atoms else (j, i)
            side = side if moving == j else set(range(n_atoms)) - side
            axes.append((fixed, moving))
            masks.append([atom in side for atom in range(n_atoms)])
            quads.append((self.others(fixed, moving)[0], fixed, moving, self.others(moving, fixed)[0]))
        mask = torch.tensor(masks, dtype=torch.bool).reshape(-1, n_atoms)
        return Rotors(_rows(axes, 2), mask, _rows(quads, 4))

    def _depth(self) -> dict[int, int]:
        if not self.graph:
            return {}
        first = nx.single_source_shortest_path_length(self.graph, min(self.graph))
        end = max(first, key=lambda atom: (first[atom], -atom))
        return dict(nx.single_source_shortest_path_length(self.graph, end))

    def _find_amide_bonds(self) -> list[tuple[int, int]]:
        bonds = []
        for i, j in self.molecule.bonds.tolist():
            for c, n in ((i, j), (j, i)):
                if self.numbers[c] == 6 and self.numbers[n] == 7 and len(self.near[c]) == len(self.near[n]) == 3:
                    carbonyl = [a for a in self.near[c] if self.numbers[a] == 8 and len(self.near[a]) == 1]
                    if carbonyl:
                        bonds.append((i, j))
        return bonds

    def amides(self) -> Int[Tensor, "A 4"]:
        """Return the omega torsions of amides whose nitrogen has two unlike substituents."""
        quads = []
        for bond in self.amide_bonds:
            c, n = bond if self.numbers[bond[0]] == 6 else bond[::-1]
            oxygen = next(a for a in self.near[c] if self.numbers[a] == 8 and len(self.near[a]) == 1)
            x, other = self.others(n, c)
            if self.ranks[x] != self.ranks[other]:
                quads.append((self.others(c, n, oxygen)[0], c, n, x))
        return _rows(quads, 4)

    def double_bonds(self) -> Int[Tensor, "D 4"]:
        """Return a torsion for each C=C outside rings with two unlike substituents at either end."""
        quads = []
        for i, j in sorted(self.bridges):
            if not all(self.numbers[a] == 6 and len(self.near[a]) == 3 for a in (i, j)) or self.order(i, j) != 2.0:
                continue
            ends = self.others(i, j), self.others(j, i)
            if all(self.ranks[first] != self.ranks[second] for first, second in ends):
                quads.append((ends[0][0], i, j, ends[1][0]))
        return _rows(quads, 4)

    def centres(self) -> Int[Tensor, "S 4"]:
        """Return stereocentres: four neighbours no two alike (three at S and P), or found so by RDKit."""
        potential = set()
        if self.has_orders:
            with rdBase.BlockLogs():
                found = Chem.FindPotentialStereo(Chem.Mol(self.rdkit))
            potential = {info.centeredOn for info in found if info.type == Chem.StereoType.Atom_Tetrahedral}
        quads = []
        for atom, near in enumerate(self.near):
            are_unlike = len({self.ranks[a] for a in near}) == len(near)
            if len(near) == 4 and (are_unlike or atom in potential):
                quads.append((atom, *self.others(atom)[:3]))
            elif len(near) == 3 and are_unlike and self.numbers[atom] in (15, 16):
                quads.append((atom, *self.others(atom)))
        return _rows(quads, 4)

    def letters(self, centres: Tensor, handedness: Tensor) -> str:
        """Return R or S for each centre, + or - by the sign of the triple product where that is undefined."""
        if self.has_orders and len(centres):
            with rdBase.BlockLogs():
                rdCIPLabeler.AssignCIPLabels(self.rdkit)
        letters = ""
        for atom, sign in zip(centres[:, 0].tolist(), handedness.tolist(), strict=True):
            node = self.rdkit.GetAtomWithIdx(atom)
            code = node.GetProp("_CIPCode") if node.HasProp("_CIPCode") else ""
            letters += code if code in ("R", "S") else ("+" if sign > 0 else "-")
        return letters


def _rows(rows: Sequence[tuple[int, ...]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, width)
