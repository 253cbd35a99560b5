"""Residues of capped peptides, named from the bonds: ACE, ALA, GLY, NME with the atom names of the Protein Data Bank."""

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx

from pesx.molecule import Molecule


@dataclass(frozen=True)
class Residue:
    """Part of a molecule.

    Attributes:
        name: Three letters.
        atoms: Name and number in the molecule of each atom, in the order of files.
    """

    name: str
    atoms: tuple[tuple[str, int], ...]


def residues(molecule: Molecule) -> tuple[Residue, ...]:
    """Return ACE, amino acids and NME of a capped peptide of alanine and glycine, else one residue MOL.

    Args:
        molecule: With bonds.
    """
    found = _Chain(molecule).residues()
    if found is not None and sum(len(residue.atoms) for residue in found) == molecule.n_atoms:
        return tuple(found)
    symbols = molecule.symbols
    counts: dict[str, int] = {}
    atoms = []
    for atom, symbol in enumerate(symbols):
        counts[symbol] = counts.get(symbol, 0) + 1
        atoms.append((f"{symbol}{counts[symbol]}", atom))
    return (Residue("MOL", tuple(atoms)),)


def file_order(parts: Sequence[Residue]) -> list[int]:
    """Return the atoms in the order of files: residue by residue."""
    return [atom for residue in parts for _, atom in residue.atoms]


class _Chain:
    """A molecule looked at as a chain of amides."""

    def __init__(self, molecule: Molecule) -> None:
        self._symbols = molecule.symbols
        graph: nx.Graph[int] = nx.Graph()
        graph.add_nodes_from(range(molecule.n_atoms))
        graph.add_edges_from(molecule.bonds.tolist())
        self._near = {atom: sorted(graph[atom]) for atom in graph}

    def residues(self) -> list[Residue] | None:
        """Return the residues in order, None where this is no capped peptide of known residues."""
        starts = [carbon for carbon in self._near if self._is_methyl(carbon) and self._carbonyl_of(carbon) is not None]
        for methyl in starts:
            found = self._walk(methyl)
            if found is not None:
                return found
        return None

    def _walk(self, methyl: int) -> list[Residue] | None:
        carbon = self._carbonyl_of(methyl)
        if carbon is None:
            return None
        oxygen = self._pick(carbon, "O")[0]
        found = [_residue("ACE", [("CH3", methyl), *self._hydrogens(methyl, "H{}"), ("C", carbon), ("O", oxygen)])]
        while True:
            nitrogens = self._pick(carbon, "N")
            if len(nitrogens) != 1:
                return None
            nitrogen = nitrogens[0]
            hydrogens, carbons = self._pick(nitrogen, "H"), [c for c in self._pick(nitrogen, "C") if c != carbon]
            if len(hydrogens) != 1 or len(carbons) != 1 or len(self._near[nitrogen]) != 3:
                return None
            head = [("N", nitrogen), ("H", hydrogens[0])]
            if self._is_methyl(carbons[0]):
                return [*found, _residue("NME", [*head, ("C", carbons[0]), *self._hydrogens(carbons[0], "H{}")])]
            residue, carbon = self._amino_acid(head, carbons[0])
            if residue is None:
                return None
            found.append(residue)

    def _amino_acid(self, head: list[tuple[str, int]], alpha: int) -> tuple[Residue | None, int]:
        """Return the residue of an alpha carbon, and its carbonyl carbon."""
        carbonyl = self._carbonyl_of(alpha)
        if carbonyl is None or len(self._near[alpha]) != 4:
            return None, -1
        tail = [("C", carbonyl), ("O", self._pick(carbonyl, "O")[0])]
        hydrogens, sides = self._pick(alpha, "H"), [c for c in self._pick(alpha, "C") if c != carbonyl]
        if len(hydrogens) == 2:
            middle = [("CA", alpha), ("HA2", hydrogens[0]), ("HA3", hydrogens[1])]
            return _residue("GLY", [*head, *middle, *tail]), carbonyl
        if len(hydrogens) == 1 and len(sides) == 1 and self._is_methyl(sides[0]):
            middle = [("CA", alpha), ("HA", hydrogens[0]), ("CB", sides[0]), *self._hydrogens(sides[0], "HB{}")]
            return _residue("ALA", [*head, *middle, *tail]), carbonyl
        return None, -1

    def _pick(self, atom: int, symbol: str) -> list[int]:
        """Return the neighbours of one element."""
        return [other for other in self._near[atom] if self._symbols[other] == symbol]

    def _hydrogens(self, carbon: int, name: str) -> list[tuple[str, int]]:
        return [(name.format(number), atom) for number, atom in enumerate(self._pick(carbon, "H"), start=1)]

    def _is_methyl(self, carbon: int) -> bool:
        return self._symbols[carbon] == "C" and len(self._pick(carbon, "H")) == 3 and len(self._near[carbon]) == 4

    def _carbonyl_of(self, atom: int) -> int | None:
        """Return the amide carbon next to an atom, if there is one."""
        for carbon in self._pick(atom, "C"):
            has_parts = (
                len(self._near[carbon]) == 3 and len(self._pick(carbon, "O")) == len(self._pick(carbon, "N")) == 1
            )
            if has_parts and len(self._near[self._pick(carbon, "O")[0]]) == 1:
                return carbon
        return None


def _residue(name: str, atoms: list[tuple[str, int]]) -> Residue:
    return Residue(name, tuple(atoms))


__all__ = ["Residue", "file_order", "residues"]
