"""Extended tight binding through tblite: milliseconds an evaluation, good geometries of organic molecules.

Sources: GFN2-xTB, doi:10.1021/acs.jctc.8b01176; GFN1-xTB, doi:10.1021/acs.jctc.7b00118.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from pesx.engines.engine import (
    Engine,
    Evaluate,
    FloatArray,
    IntArray,
    check_electrons,
    checked_label,
    checked_shape,
)
from pesx.errors import ConfigError, EngineError, MissingExtraError
from pesx.units import BOHR, HARTREE

METHODS = {"gfn2": "GFN2-xTB", "gfn1": "GFN1-xTB"}
"""Names of engines and the levels of theory they compute."""


@dataclass(frozen=True)
class XtbEngine(Engine):
    """GFN1-xTB or GFN2-xTB.

    Attributes:
        method: ``gfn2`` or ``gfn1``.
        accuracy: Factor on all convergence thresholds of tblite; smaller is tighter.
        max_cycles: Self-consistency cycles before a structure is refused.

    Accuracy: restarting from the previous structure changes an energy by less than 1e-7 eV.
    """

    method: str = "gfn2"
    accuracy: float = 1.0
    max_cycles: int = 250

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"Expected an xTB method out of {', '.join(METHODS)}, came {self.method!r}.")
        if not self.accuracy > 0 or self.max_cycles < 1:
            raise ConfigError(f"Expected accuracy > 0 and max_cycles >= 1, came {self.accuracy} and {self.max_cycles}.")
        if find_spec("tblite") is None:
            raise MissingExtraError("tblite", "label")

    @property
    def name(self) -> str:
        """``gfn2`` or ``gfn1``."""
        return self.method

    @property
    def level(self) -> str:
        """``GFN2-xTB`` or ``GFN1-xTB``."""
        return METHODS[self.method]

    def bind(self, numbers: IntArray, *, charge: int = 0, multiplicity: int = 1) -> Evaluate:
        """Return a function of positions that restarts each calculation from the one before."""
        check_electrons(np.asarray(numbers), charge, multiplicity)
        return _BoundXtb(self, np.asarray(numbers, dtype=np.int64), charge, multiplicity)


class _BoundXtb:
    """One molecule and the converged density of its previous geometry."""

    def __init__(self, engine: XtbEngine, numbers: IntArray, charge: int, multiplicity: int) -> None:
        from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError
        from tblite.interface import Calculator

        self._make = Calculator
        self._refusals = (TBLiteRuntimeError, TBLiteValueError)
        self._engine = engine
        self._numbers = numbers
        self._charge = float(charge)
        self._unpaired = multiplicity - 1
        self._calculator: Any = None
        self._previous: Any = None

    def __call__(self, positions: FloatArray) -> tuple[float, FloatArray]:
        coordinates = checked_shape(positions, self._numbers.size) / BOHR
        previous, self._previous = self._previous, None
        try:
            if self._calculator is None:
                self._calculator = self._new(coordinates)
            else:
                self._calculator.update(positions=coordinates)
            result = self._calculator.singlepoint(previous)
        except self._refusals as error:
            if previous is not None:
                return self(positions)  # the old density may be what kept it from converging
            raise EngineError(_one_line(error)) from error
        energy = float(result.get("energy")) * HARTREE
        forces = -np.asarray(result.get("gradient"), dtype=np.float64) * (HARTREE / BOHR)
        label = checked_label(energy, forces)
        self._previous = result
        return label

    def _new(self, coordinates: FloatArray) -> Any:
        calculator = self._make(self._engine.level, self._numbers, coordinates, self._charge, self._unpaired)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", self._engine.accuracy)
        calculator.set("max-iter", self._engine.max_cycles)
        return calculator


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


__all__ = ["METHODS", "XtbEngine"]
