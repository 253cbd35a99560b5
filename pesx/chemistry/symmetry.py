"""Symmetry of the bond graph: which atoms are alike, and how they may be exchanged.

Elements and bonds count; bond orders, charges and handedness do not, so that both oxygens of a carboxylate are alike.
"""

import warnings

import torch
from rdkit import Chem, rdBase

from pesx.molecule import Molecule
from pesx.typing import Int, Tensor

MAX_AUTOMORPHISMS = 1000
"""Beyond so many exchanges of heavy atoms, the rest are left out, with a warning."""


def bond_graph(molecule: Molecule) -> Chem.Mol:
    """Return the bare bond graph as an RDKit molecule: explicit atoms, single bonds, no charges, not sanitised."""
    graph = Chem.RWMol()
    for number in molecule.numbers.tolist():
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        graph.AddAtom(atom)
    for i, j in molecule.bonds.tolist():
        graph.AddBond(i, j, Chem.BondType.SINGLE)
    graph.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(graph)
    return graph


def orbits(molecule: Molecule) -> Int[Tensor, "N"]:
    """Return a number per atom, equal for atoms that the bond graph cannot tell apart; hydrogens included.

    Accuracy: classes are those of RDKit's canonical ranking. In rare regular graphs they are coarser than true orbits;
        everything built on them stays invariant.
    """
    with rdBase.BlockLogs():
        ranks = Chem.CanonicalRankAtoms(bond_graph(molecule), breakTies=False, includeChirality=False)
    classes: Tensor = torch.unique(torch.tensor(list(ranks)), return_inverse=True)[1]
    return classes


def neighbours(molecule: Molecule) -> list[list[int]]:
    """Return the bonded neighbours of every atom, ascending."""
    near: list[list[int]] = [[] for _ in range(molecule.n_atoms)]
    for i, j in molecule.bonds.tolist():
        near[i].append(j)
        near[j].append(i)
    return [sorted(atoms) for atoms in near]


def hydrogen_groups(molecule: Molecule) -> list[list[int]]:
    """Return the interchangeable hydrogens on each heavy atom that has any: one list per such atom, ascending.

    Only hydrogens with one bond, to a heavy atom, count. Single hydrogens make groups of one.
    """
    near, numbers = neighbours(molecule), molecule.numbers.tolist()
    groups = []
    for atom, atoms in enumerate(near):
        if numbers[atom] != 1:
            groups.append([h for h in atoms if numbers[h] == 1 and len(near[h]) == 1])
    return [group for group in groups if group]


def heavy_automorphisms(molecule: Molecule, *, limit: int = MAX_AUTOMORPHISMS) -> Int[Tensor, "A N"]:
    """Return every exchange of atoms that keeps the bond graph, up to the hydrogens on each heavy atom.

    Where a heavy atom goes, its hydrogens go in ascending order; :func:`hydrogen_groups` says which may then be
    permuted.

    Args:
        molecule: With bonds.
        limit: Most automorphisms to return.

    Returns:
        Orders: ``positions[order]`` is an equivalent numbering of the same structure. The first is the identity.
    """
    groups = hydrogen_groups(molecule)
    near = neighbours(molecule)
    group_of = {near[group[0]][0]: group for group in groups}
    leaves = {h for group in groups for h in group}
    skeleton = [atom for atom in range(molecule.n_atoms) if atom not in leaves]
    maps = _skeleton_maps(molecule, skeleton, limit)
    orders = [list(range(molecule.n_atoms))]
    for images in maps:
        order = list(range(molecule.n_atoms))
        for atom, image in zip(skeleton, images, strict=True):
            order[atom] = image
            for h, h_image in zip(group_of.get(atom, []), group_of.get(image, []), strict=True):
                order[h] = h_image
        if order != orders[0]:
            orders.append(order)
    return torch.tensor(orders[:limit])


def _skeleton_maps(molecule: Molecule, skeleton: list[int], limit: int) -> list[list[int]]:
    """Return the maps of the skeleton onto itself, as the image of each of its atoms."""
    place = {atom: index for index, atom in enumerate(skeleton)}
    classes = orbits(molecule).tolist()
    graph = Chem.RWMol()
    for atom in skeleton:
        node = Chem.Atom(int(molecule.numbers[atom]))
        node.SetNoImplicit(True)
        node.SetIsotope(classes[atom] + 1)  # the label that a match must respect
        graph.AddAtom(node)
    for i, j in molecule.bonds.tolist():
        if i in place and j in place:
            graph.AddBond(place[i], place[j], Chem.BondType.SINGLE)
    graph.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(graph)
    with rdBase.BlockLogs():
        matches = graph.GetSubstructMatches(graph, uniquify=False, useChirality=False, maxMatches=limit + 1)
    if len(matches) > limit:
        warnings.warn(
            f"The heavy atoms of {molecule.formula} can be exchanged in more than {limit} ways; only {limit} are "
            "tried, so some copies of one minimum may be kept apart.",
            stacklevel=2,
        )
    return [[skeleton[index] for index in match] for match in matches[:limit]]
