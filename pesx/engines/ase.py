"""Any ASE calculator as an engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BadConfiguration, CalculatorSetupError

from pesx.engines.attribute import load_attribute
from pesx.engines.engine import Engine, Evaluate, FloatArray, IntArray, checked_label, checked_shape
from pesx.errors import EngineError, InputError

_WRONG_SETUP = (BadConfiguration, CalculatorSetupError, ImportError)
"""What calculators raise whatever the geometry is: no program, no such setting."""


@dataclass(frozen=True)
class AseEngine(Engine):
    """A calculator of ASE, made anew in every worker process.

    Attributes:
        factory: Makes the calculator: a picklable callable without arguments, or its place as ``module:attribute``.
        level_of_theory: What the calculator computes.
    """

    factory: str | Callable[[], Any]
    level_of_theory: str = "ASE calculator"

    def __post_init__(self) -> None:
        if isinstance(self.factory, str) and not all(self.factory.partition(":")):
            raise InputError(f"Expected module:attribute of a function that makes a calculator, came {self.factory!r}.")

    @property
    def name(self) -> str:
        """Place or name of the factory."""
        return self.factory if isinstance(self.factory, str) else getattr(self.factory, "__qualname__", "calculator")

    @property
    def level(self) -> str:
        """The level of theory that was given."""
        return self.level_of_theory

    def bind(self, numbers: IntArray, *, charge: int = 0, multiplicity: int = 1) -> Evaluate:
        """Return a function of positions.

        Charge and multiplicity are passed as ``atoms.info`` ("charge", "spin") and as initial charges and moments on
        the first atom, which is where calculators look for them.

        Raises:
            InputError: The factory cannot be imported, or makes no calculator.
        """
        atoms = Atoms(numbers=numbers, info={"charge": charge, "spin": multiplicity})
        if charge or multiplicity != 1:
            atoms.set_initial_charges([charge] + [0] * (len(atoms) - 1))
            atoms.set_initial_magnetic_moments([multiplicity - 1] + [0] * (len(atoms) - 1))
        atoms.calc = self._calculator()

        def evaluate(positions: FloatArray) -> tuple[float, FloatArray]:
            atoms.set_positions(checked_shape(positions, len(atoms)))
            try:
                energy = float(atoms.get_potential_energy())
                forces = np.array(atoms.get_forces(), dtype=np.float64)
            except _WRONG_SETUP as error:
                raise InputError(
                    f"Expected a calculator for {atoms.get_chemical_formula()} from {self.name!r}; it says "
                    f"{_one_line(error)}. Correct its settings."
                ) from error
            except MemoryError:  # of the machine, not of the geometry
                raise
            except Exception as error:  # calculators raise whatever their programs do
                raise EngineError(_one_line(error)) from error
            return checked_label(energy, forces)

        return evaluate

    def _calculator(self) -> Any:
        factory = load_attribute(self.factory) if isinstance(self.factory, str) else self.factory
        try:
            calculator = factory()
        except Exception as error:  # it is given nothing, so no geometry can be the reason
            raise InputError(f"Expected {self.name!r} to make a calculator; it says {_one_line(error)}.") from error
        if not hasattr(calculator, "get_potential_energy"):
            raise InputError(f"Expected {self.name!r} to make an ASE calculator, came {calculator!r}.")
        return calculator


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


__all__ = ["AseEngine"]
