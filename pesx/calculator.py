"""A pesx model as an ASE calculator."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from pesx.errors import ConfigError, InputError
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load

UNCERTAINTY = "energy_uncertainty"
"""Key of the standard deviation of the energy among the results."""

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class PesxCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV) and forces (eV/angstrom) of molecules in vacuum, for anything that speaks ASE.

    With a model whose uncertainty is calibrated, ``get_property("energy_uncertainty", atoms)`` is the standard deviation of the
    energy, eV. It is computed only when asked for; see :meth:`LearnedPotential.uncertainty` for that of energy differences.

    Args:
        model: A model file; None for the model that comes with pesx.
        device: "cpu", "cuda", or "auto" for a GPU if there is one.
        dtype: "float32" or "float64"; for second derivatives take float64. Energies are summed in float64 in both.
        charge: Total charge, e; None for ``atoms.info["charge"]``, and 0 where there is none.
        multiplicity: 2S+1; None for ``atoms.info["multiplicity"]``, and 1 where there is none.
        long_range_cutoff: Of electrostatics and dispersion, angstrom; None for that of the model.

    Raises:
        CheckpointError: The file cannot be read.
        ConfigError: The precision is unknown, or the model has no long-range part that could be cut off.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012  ASE has it on the class, but it depends on the model

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        device: str = "auto",
        dtype: str = "float32",
        *,
        charge: int | None = None,
        multiplicity: int | None = None,
        long_range_cutoff: float | None = None,
    ) -> None:
        super().__init__()
        if dtype not in DTYPES:
            raise ConfigError(f"Expected dtype among {sorted(DTYPES)}, came {dtype!r}.")
        self._dtype = DTYPES[dtype]
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._model, self.card = load(model)
        if long_range_cutoff is not None:
            self._model = self._model.with_long_range_cutoff(long_range_cutoff)
        if self._model.uncertainty is not None:
            self.implemented_properties = [*type(self).implemented_properties, UNCERTAINTY]
        self._charge, self._multiplicity = charge, multiplicity
        self._potentials: dict[tuple[tuple[int, ...], int, int], LearnedPotential] = {}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the energy and forces of the atoms; ASE calls this.

        Raises:
            InputError: The atoms are periodic, or the model does not know an element, or the charge or spin.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        if self.atoms.pbc.any():
            raise InputError(
                f"Expected a molecule in vacuum, came pbc={self.atoms.pbc.tolist()}; set atoms.pbc = False."
            )
        positions = torch.tensor(self.atoms.positions, dtype=self._dtype)[None]
        potential = self._bind(self.atoms)
        found = potential(positions)
        self.results: dict[str, Any] = {
            "energy": float(found.energy[0]),
            "forces": found.forces[0].double().numpy(),
        }
        if UNCERTAINTY in properties:
            self.results[UNCERTAINTY] = float(potential.uncertainty(positions)[0])

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Return what has changed since the last evaluation; charge and multiplicity in ``atoms.info`` count too."""
        changes: list[str] = super().check_state(atoms, tol)
        if self.atoms is not None and self._electrons(atoms) != self._electrons(self.atoms):
            changes.append("info")
        return changes

    def _electrons(self, atoms: Atoms) -> tuple[int, int]:
        charge = atoms.info.get("charge", 0) if self._charge is None else self._charge
        multiplicity = atoms.info.get("multiplicity", 1) if self._multiplicity is None else self._multiplicity
        return round(charge), round(multiplicity)

    def _bind(self, atoms: Atoms) -> LearnedPotential:
        numbers = tuple(atoms.numbers.tolist())
        charge, multiplicity = self._electrons(atoms)
        key = (numbers, charge, multiplicity)
        if key not in self._potentials:
            potential = LearnedPotential(
                self._model, torch.tensor(numbers), device=self._device, charge=charge, multiplicity=multiplicity
            )
            self._potentials = {key: potential}
        return self._potentials[key]


__all__ = ["PesxCalculator"]
