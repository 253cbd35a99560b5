"""Atoms, residues and bonds of a molecule for other programs: as PDB, and as MDTraj keeps it in HDF5."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from pesx.dynamics.residues import Residue, file_order, residues
from pesx.molecule import Molecule
from pesx.typing import Float, Tensor

_STANDARD = ("ACE", "ALA", "GLY", "NME")


@dataclass(frozen=True, eq=False)
class Topology:
    """What files say of a molecule; made by :meth:`of`.

    Attributes:
        molecule: Its atoms in the order of files; see :func:`~pesx.dynamics.residues.file_order`.
        residues: With atoms numbered in this order.
    """

    molecule: Molecule
    residues: tuple[Residue, ...]

    @classmethod
    def of(cls, molecule: Molecule) -> "Topology":
        """Return the topology of a molecule whose atoms lie residue by residue."""
        return cls(molecule, residues(molecule))

    def as_pdb(self, positions: Float[Tensor, "N 3"]) -> str:
        """Return the text of a PDB file.

        Args:
            positions: Angstrom.
        """
        symbols, xyz = self.molecule.symbols, positions.tolist()
        lines = []
        for number, residue in enumerate(self.residues, start=1):
            kind = "ATOM  " if residue.name in _STANDARD else "HETATM"
            for name, atom in residue.atoms:
                # A name begins in the second of its four columns, unless it needs them all, or the element has two letters.
                field = f"{name:<4}" if len(name) > 3 or len(symbols[atom]) > 1 else f" {name:<3}"
                x, y, z = xyz[atom]
                lines.append(
                    f"{kind}{(atom + 1) % 100000:5d} {field[:4]} {residue.name:>3} A{number:4d}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {symbols[atom].upper():>2}"
                )
        lines.append("TER")
        near: dict[int, list[int]] = {}
        for i, j in self.molecule.bonds.tolist():
            near.setdefault(i, []).append(j)
            near.setdefault(j, []).append(i)
        lines += [
            f"CONECT{atom + 1:5d}"  # codespell:ignore conect
            + "".join(f"{j + 1:5d}" for j in sorted(others)[start : start + 4])
            for atom, others in sorted(near.items())
            for start in range(0, len(others), 4)
        ]
        return "\n".join([*lines, "END"]) + "\n"

    def as_mdtraj(self) -> dict[str, Any]:
        """Return what MDTraj writes into its HDF5 files, ready for JSON."""
        symbols = self.molecule.symbols
        parts = [
            {
                "index": number,
                "name": residue.name,
                "resSeq": number + 1,
                "segmentID": "",
                "atoms": [{"index": atom, "name": name, "element": symbols[atom]} for name, atom in residue.atoms],
            }
            for number, residue in enumerate(self.residues)
        ]
        return {"chains": [{"index": 0, "residues": parts}], "bonds": self.molecule.bonds.tolist()}


def in_file_order(molecule: Molecule) -> tuple[Molecule, list[int]]:
    """Return the molecule with its atoms residue by residue, as PDB files need it, and the old number of each atom."""
    order = file_order(residues(molecule))
    if order == list(range(molecule.n_atoms)):
        return molecule, order
    place = torch.empty(molecule.n_atoms, dtype=torch.int64)
    place[order] = torch.arange(molecule.n_atoms)
    moved = replace(
        molecule,
        numbers=molecule.numbers[order],
        positions=molecule.positions[order],
        bonds=place[molecule.bonds].sort(dim=1).values,
    )
    return moved, order


__all__ = ["Topology", "in_file_order"]
