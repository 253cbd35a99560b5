"""What a reference engine is: a small picklable value that evaluates structures in whatever process it is sent to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pesx.errors import EngineError, InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Evaluate = Callable[[FloatArray], tuple[float, FloatArray]]
"""From positions (N, 3) in angstrom to the energy in eV and the forces (N, 3) in eV/angstrom."""

_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


class Engine(ABC):
    """A level of theory and the program that computes it. Subclasses are frozen dataclasses of settings."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name of the program and method, such as ``gfn2``."""

    @property
    @abstractmethod
    def level(self) -> str:
        """Level of theory as a chemist writes it, such as ``GFN2-xTB`` or ``B3LYP-D4/def2-SVP``."""

    @abstractmethod
    def bind(self, numbers: IntArray, *, charge: int = 0, multiplicity: int = 1) -> Evaluate:
        """Return a function of the positions of one molecule.

        Consecutive calls may restart from one another, so use one such function along a trajectory and a new one for
        each unrelated structure. It raises :class:`~pesx.errors.EngineError` where there is no energy to give.
        """

    @property
    def shares_state(self) -> bool:
        """Whether one bound function serves unrelated structures of a molecule as well as one for each, and faster."""
        return False

    def without_forces(self) -> "Engine":
        """Return an engine of the same level that may give NaN for forces, if that saves it time."""
        return self

    def environment(self) -> Mapping[str, str]:
        """Return variables that must be set before the engine's libraries are loaded."""
        return _NO_ENVIRONMENT

    def evaluate(
        self, numbers: IntArray, positions: FloatArray, *, charge: int = 0, multiplicity: int = 1
    ) -> tuple[float, FloatArray]:
        """Return the energy (eV) and forces (eV/angstrom) of one structure, independent of any earlier call.

        Args:
            numbers: Atomic numbers.
            positions: Angstrom.
            charge: Total charge, e.
            multiplicity: 2S+1.

        Raises:
            EngineError: The engine refused the structure; the message says why.
        """
        return self.bind(numbers, charge=charge, multiplicity=multiplicity)(positions)


def check_electrons(numbers: IntArray, charge: int, multiplicity: int, *, where: str = "") -> None:
    """Refuse a multiplicity that the electrons cannot have.

    Args:
        numbers: Atomic numbers.
        charge: Total charge, e.
        multiplicity: 2S+1.
        where: Put before the message.

    Raises:
        InputError: There are fewer electrons than unpaired ones, or one is left over.
    """
    n_electrons = int(numbers.sum()) - charge
    n_paired = n_electrons - (multiplicity - 1)
    if multiplicity < 1 or n_paired < 0 or n_paired % 2:
        raise InputError(
            f"{where}{': e' if where else 'E'}xpected a multiplicity (2S+1) that fits {n_electrons} electrons at the charge "
            f"{charge}, came {multiplicity}. Correct charge or multiplicity; in extxyz they are charge and spin of a frame."
        )


def checked_shape(positions: FloatArray, n_atoms: int) -> FloatArray:
    """Return the positions as contiguous float64.

    Raises:
        InputError: The shape is not (n_atoms, 3).
        EngineError: A coordinate is not finite.
    """
    array = np.ascontiguousarray(positions, dtype=np.float64)
    if array.shape != (n_atoms, 3):
        raise InputError(f"Expected positions of shape ({n_atoms}, 3), came {array.shape}.")
    if not np.isfinite(array).all():
        raise EngineError("coordinates are not finite")
    return array


def checked_label(energy: float, forces: FloatArray) -> tuple[float, FloatArray]:
    """Return the label unchanged.

    Raises:
        EngineError: The energy or a force is not finite.
    """
    if not np.isfinite(energy):
        raise EngineError("energy is not finite")
    if not np.isfinite(forces).all():
        raise EngineError("forces are not finite")
    return energy, forces


__all__ = ["Engine", "Evaluate", "FloatArray", "IntArray", "check_electrons", "checked_label", "checked_shape"]
