"""A pesx model as an ASE calculator."""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from pesx.errors import ConfigError, InputError
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class PesxCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV) and forces (eV/angstrom) of molecules in vacuum, for anything that speaks ASE.

    Args:
        model: A model file; None for the model that comes with pesx.
        device: "cpu", "cuda", or "auto" for a GPU if there is one.
        dtype: "float32" or "float64"; for second derivatives take float64. Energies are summed in float64 in both.

    Raises:
        CheckpointError: The file cannot be read.
        ConfigError: The precision is unknown.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        device: str = "auto",
        dtype: str = "float32",
    ) -> None:
        super().__init__()
        if dtype not in DTYPES:
            raise ConfigError(f"Expected dtype among {sorted(DTYPES)}, came {dtype!r}.")
        self._dtype = DTYPES[dtype]
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._model, self.card = load(model)
        self._potentials: dict[tuple[int, ...], LearnedPotential] = {}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the energy and forces of the atoms; ASE calls this.

        Raises:
            InputError: The atoms are periodic, or the model does not know an element.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        if self.atoms.pbc.any():
            raise InputError(
                f"Expected a molecule in vacuum, came pbc={self.atoms.pbc.tolist()}; set atoms.pbc = False."
            )
        positions = torch.tensor(self.atoms.positions, dtype=self._dtype)[None]
        found = self._bind(tuple(self.atoms.numbers.tolist()))(positions)
        self.results: dict[str, Any] = {
            "energy": float(found.energy[0]),
            "forces": found.forces[0].double().numpy(),
        }

    def _bind(self, numbers: tuple[int, ...]) -> LearnedPotential:
        if numbers not in self._potentials:
            self._potentials = {numbers: LearnedPotential(self._model, torch.tensor(numbers), device=self._device)}
        return self._potentials[numbers]


__all__ = ["PesxCalculator"]
