"""Any ASE calculator as an engine."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from pesx.engines.engine import Engine, Evaluate, FloatArray, IntArray, checked_label, checked_shape
from pesx.errors import EngineError, InputError, MissingExtraError


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
        if find_spec("ase") is None:
            raise MissingExtraError("ase", "label")
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
        """
        from ase import Atoms

        atoms = Atoms(numbers=numbers, info={"charge": charge, "spin": multiplicity})
        if charge or multiplicity != 1:
            atoms.set_initial_charges([charge] + [0] * (len(atoms) - 1))
            atoms.set_initial_magnetic_moments([multiplicity - 1] + [0] * (len(atoms) - 1))
        atoms.calc = self._factory()()

        def evaluate(positions: FloatArray) -> tuple[float, FloatArray]:
            atoms.set_positions(checked_shape(positions, len(atoms)))
            try:
                energy = float(atoms.get_potential_energy())
                forces = np.array(atoms.get_forces(), dtype=np.float64)
            except Exception as error:  # calculators raise whatever their programs do
                raise EngineError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
            return checked_label(energy, forces)

        return evaluate

    def _factory(self) -> Callable[[], Any]:
        if not isinstance(self.factory, str):
            return self.factory
        module, _, attribute = self.factory.partition(":")
        try:
            found: Callable[[], Any] = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise InputError(f"Expected {self.factory!r} to be importable: {error}.") from error
        return found


__all__ = ["AseEngine"]
