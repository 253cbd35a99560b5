"""Density functional theory with PySCF, density fitting throughout."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from pesx.engines.engine import Engine, Evaluate, FloatArray, IntArray, checked_label, checked_shape
from pesx.errors import ConfigError, EngineError, InputError, MissingExtraError
from pesx.units import BOHR, HARTREE

_DISPERSIONS = ("d4", "d3bj", "d3zero")

_SPELLINGS = {"r2scan": "r2SCAN", "wb97x": "wB97X", "wb97m-v": "wB97M-V", "cam-b3lyp": "CAM-B3LYP"}

_OLD_CORES = ("Barcelona", "Prescott", "Core2", "Penryn", "Nehalem", "Dunnington", "Bobcat", "Atom", "Opteron")
"""Core types of OpenBLAS whose kernels use no AVX."""

_PRINT_CORE = """
import ctypes, pathlib, sys
for pattern in ("libquadmath*.so*", "libgfortran*.so*"):  # what the library itself needs
    for needed in sorted(pathlib.Path(sys.argv[1]).parent.glob(pattern)):
        ctypes.CDLL(str(needed), mode=ctypes.RTLD_GLOBAL)
library = ctypes.CDLL(sys.argv[1])
library.openblas_get_corename.restype = ctypes.c_char_p
print(library.openblas_get_corename().decode())
"""


@dataclass(frozen=True)
class PyscfEngine(Engine):
    """A density functional in a Gaussian basis.

    Attributes:
        method: ``functional-dispersion/basis``, the dispersion (d4, d3bj, d3zero) being optional.
        grid: PySCF's grid level. 1 leaves 3 meV/angstrom in the forces of a GGA or hybrid; r2SCAN needs 3.
        tolerance: Convergence of the energy, hartree.
        max_cycles: Self-consistency cycles before a structure is refused.
        memory: MB.

    The net force, which is what the grid lacks in translational invariance, is removed.
    """

    method: str = "b3lyp-d4/def2-svp"
    grid: int = 1
    tolerance: float = 1e-6
    max_cycles: int = 100
    memory: int = 4000

    def __post_init__(self) -> None:
        functional, _, _, basis = self._parts()
        if not functional or not basis:
            raise InputError(
                f"Expected a level such as b3lyp-d4/def2-svp (functional-dispersion/basis), came {self.method!r}."
            )
        if not 0 <= self.grid <= 9 or not self.tolerance > 0 or self.max_cycles < 1:
            raise ConfigError(
                "Expected grid 0 to 9, tolerance > 0 and max_cycles >= 1,"
                f" came {self.grid}, {self.tolerance} and {self.max_cycles}."
            )
        if find_spec("pyscf") is None:
            raise MissingExtraError("pyscf", "label")

    def _parts(self) -> tuple[str, str, str, str]:
        """Return functional, hyphen, dispersion and basis, in lower case."""
        method, _, basis = self.method.lower().partition("/")
        functional, hyphen, dispersion = method.rpartition("-")
        return (functional, hyphen, dispersion, basis) if dispersion in _DISPERSIONS else (method, "", "", basis)

    @property
    def name(self) -> str:
        """``pyscf``."""
        return "pyscf"

    @property
    def level(self) -> str:
        """The method in its usual spelling."""
        functional, hyphen, dispersion, basis = self._parts()
        basis = f"def2-{basis[5:].upper()}" if basis.startswith("def2-") else basis.upper()
        return f"{_SPELLINGS.get(functional, functional.upper())}{hyphen}{dispersion.upper()}/{basis}"

    def environment(self) -> Mapping[str, str]:
        """Return the core type for OpenBLAS where the library of the wheel takes this CPU for one without AVX."""
        spec = find_spec("pyscf")
        folder = Path(spec.origin).parent / "lib" if spec and spec.origin else Path()
        for library in sorted(folder.glob("libopenblas*.so*")):
            asked = subprocess.run(
                [sys.executable, "-c", _PRINT_CORE, str(library)], capture_output=True, text=True, check=False
            )
            if asked.stdout.strip() in _OLD_CORES and _has_avx2():
                return {"OPENBLAS_CORETYPE": "Haswell"}
        return {}

    def bind(self, numbers: IntArray, *, charge: int = 0, multiplicity: int = 1) -> Evaluate:
        """Return a function of positions that restarts each calculation from the density before.

        Raises:
            InputError: PySCF lacks the functional, its dispersion, or the basis of an element, or charge and
                multiplicity do not fit the electrons.
        """
        return _BoundPyscf(self, np.asarray(numbers, dtype=np.int64), charge, multiplicity)


class _BoundPyscf:
    """One molecule and the converged density matrix of its previous geometry."""

    def __init__(self, engine: PyscfEngine, numbers: IntArray, charge: int, multiplicity: int) -> None:
        self._engine = engine
        self._numbers = numbers
        self._charge = charge
        self._spin = multiplicity - 1
        self._density: Any = None
        self._check()

    def __call__(self, positions: FloatArray) -> tuple[float, FloatArray]:
        coordinates = checked_shape(positions, self._numbers.size)
        density, self._density = self._density, None
        calculation = self._calculation(coordinates)
        try:
            energy = float(calculation.kernel(dm0=density)) * HARTREE
            if not calculation.converged:
                raise EngineError(f"SCF not converged in {self._engine.max_cycles} cycles")
            gradient = calculation.nuc_grad_method().kernel()
        except (ArithmeticError, RuntimeError, np.linalg.LinAlgError) as error:
            raise error if isinstance(error, EngineError) else EngineError(str(error)) from error
        self._density = calculation.make_rdm1()
        forces = -np.asarray(gradient, dtype=np.float64) * (HARTREE / BOHR)
        return checked_label(energy, forces - forces.mean(axis=0))

    def _check(self) -> None:
        """Set up the atoms far apart: what fails there fails for every geometry."""
        from pyscf import dft

        apart = 10.0 * np.arange(self._numbers.size)[:, None] * np.eye(1, 3)
        functional, _, dispersion, _ = self._engine._parts()
        try:
            with catch_warnings():
                simplefilter("ignore", UserWarning)  # where else PySCF would look for a basis
                dft.libxc.parse_xc(functional)
                calculation = self._calculation(apart)
                if dispersion:
                    calculation.get_dispersion()
        except (AssertionError, KeyError, RuntimeError) as error:
            raise InputError(
                f"Expected PySCF to set up {self._engine.method!r} for charge {self._charge} and multiplicity "
                f"{self._spin + 1}; it says {type(error).__name__}: {' '.join(str(error).split())}."
            ) from error

    def _calculation(self, coordinates: FloatArray) -> Any:
        from pyscf import dft, gto

        functional, _, dispersion, basis = self._engine._parts()
        atoms = [(int(number), tuple(place)) for number, place in zip(self._numbers, coordinates, strict=True)]
        molecule = gto.M(
            atom=atoms,
            basis=basis,
            charge=self._charge,
            spin=self._spin,
            verbose=0,
            max_memory=self._engine.memory,
        )
        calculation = dft.KS(molecule, xc=functional).density_fit()
        if dispersion:
            calculation.disp = dispersion
        calculation.grids.level = self._engine.grid
        calculation.conv_tol = self._engine.tolerance
        calculation.max_cycle = self._engine.max_cycles
        calculation.chkfile = None
        unused = vars(calculation).pop("_chkfile", None)  # PySCF opens its file before one can say that none is wanted
        if unused is not None:
            unused.close()
        return calculation


def _has_avx2() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and "avx2" in flags.read_text().split()


__all__ = ["PyscfEngine"]
