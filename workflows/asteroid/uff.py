"""The universal force field as an ASE calculator, from RDKit.

pesx label --frames structures.extxyz --engine uff:Uff --level UFF --out labels.db

The module must be in the working directory.
"""

from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from rdkit.Chem import rdForceFieldHelpers

from pesx import Molecule
from pesx.chemistry.perceive import perceive_bonds, to_rdkit
from pesx.units import KCAL_PER_MOL


class Uff(Calculator):  # type: ignore[misc]
    """Energies and forces of UFF (Rappé et al. 1992, doi:10.1021/ja00051a040) for one molecule.

    Its bonds are those of the first structure and stay, as those of a force field do.
    """

    implemented_properties = ("energy", "forces")

    def __init__(self) -> None:
        super().__init__()
        self._field: Any = None
        self._mol: Any = None

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Compute both; see ASE."""
        super().calculate(atoms, properties, system_changes)
        if self._field is None:
            numbers, positions = torch.tensor(self.atoms.numbers), torch.tensor(self.atoms.positions)
            bonds = perceive_bonds(numbers, positions)
            # The field points into the molecule, which must outlive it.
            self._mol, _ = to_rdkit(Molecule(numbers, positions, bonds=bonds))
            self._field = rdForceFieldHelpers.UFFGetMoleculeForceField(self._mol)
            self._field.Initialize()
        flat = self.atoms.positions.ravel().tolist()
        energy = self._field.CalcEnergy(flat)  # first, because it renews the distances that CalcGrad goes by
        gradient = np.array(self._field.CalcGrad(flat)).reshape(-1, 3)
        self.results = {"energy": energy * KCAL_PER_MOL, "forces": -gradient * KCAL_PER_MOL}
