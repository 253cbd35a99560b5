"""Density functional theory with PySCF."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from warnings import catch_warnings, simplefilter

import numpy as np

from pesx.engines.density import Density, carried
from pesx.engines.engine import (
    Engine,
    Evaluate,
    FloatArray,
    IntArray,
    check_electrons,
    checked_label,
    checked_shape,
)
from pesx.engines.functional import parse_level
from pesx.errors import ConfigError, EngineError, InputError, MissingExtraError
from pesx.units import BOHR, HARTREE

T = TypeVar("T")

_FITTING_BASIS = "def2-universal-jkfit"

_SCF_GRID = 1
"""Finest grid of the cycles where only the energy is wanted: it is off by the square of what the density is off by."""

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
        method: ``functional-dispersion/basis``, the dispersion (d4, d3bj, d3zero) being optional; what differs from the
            usual grid and integrals may follow, as in ``b3lyp-d4/def2-svp (grid 3, exact)``.
        grid: PySCF's grid level; 1 where not given, which leaves 3 meV/angstrom in the forces of a GGA or hybrid, and 3 for
            functionals of the kinetic-energy density, such as r2SCAN, which need it.
        fitted: Whether integrals are density-fitted (the default), Coulomb and exact exchange alike.
        energies_only: Whether to leave out the forces, which are then NaN.
        tolerance: Convergence of the energy, hartree.
        max_cycles: Self-consistency cycles of each attempt before a structure is refused.
        memory: MB.

    The net force, which is what the grid lacks in translational invariance, is removed. Energies alone take the density from
    grid 1 and the energy from the grid of the level: 0.002 kcal/mol off for Ac-Ala-NHMe at r2SCAN/def2-TZVP, in less than
    half the time.
    """

    method: str = "b3lyp-d4/def2-svp"
    grid: int | None = None
    fitted: bool | None = None
    energies_only: bool = False
    tolerance: float = 1e-6
    max_cycles: int = 100
    memory: int = 4000

    def __post_init__(self) -> None:
        if find_spec("pyscf") is None:
            raise MissingExtraError("pyscf", "label")
        said = parse_level(self.method)
        grid = _agreed(self.method, "grid", self.grid, said.grid)
        fitted = _agreed(self.method, "fitted", self.fitted, said.fitted)
        grid = said.usual_grid() if grid is None else grid
        if not 0 <= grid <= 9 or not self.tolerance > 0 or self.max_cycles < 1:
            raise ConfigError(
                "Expected grid 0 to 9, tolerance > 0 and max_cycles >= 1,"
                f" came {grid}, {self.tolerance} and {self.max_cycles}."
            )
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "fitted", True if fitted is None else fitted)
        object.__setattr__(self, "method", said.method)

    @property
    def name(self) -> str:
        """``pyscf``."""
        return "pyscf"

    @property
    def level(self) -> str:
        """The method in its usual spelling, integrals and grid; all that labels to be mixed must share."""
        return replace(parse_level(self.method), grid=self.grid, fitted=self.fitted).text()

    @property
    def shares_state(self) -> bool:
        """True: densities are carried to any other geometry of the molecule."""
        return True

    def without_forces(self) -> "PyscfEngine":
        """Return the same engine without the gradient."""
        return replace(self, energies_only=True)

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
        """Return a function of positions that starts each calculation from the density before.

        Raises:
            InputError: PySCF lacks the functional, its dispersion, or the basis of an element, or charge and
                multiplicity do not fit the electrons.
        """
        check_electrons(np.asarray(numbers), charge, multiplicity)
        return _BoundPyscf(self, np.asarray(numbers, dtype=np.int64), charge, multiplicity)


class _BoundPyscf:
    """One molecule and the converged density of its previous geometry."""

    def __init__(self, engine: PyscfEngine, numbers: IntArray, charge: int, multiplicity: int) -> None:
        self._engine = engine
        self._level = parse_level(engine.method)
        self._numbers = numbers
        self._charge = charge
        self._spin = multiplicity - 1
        self._before: Density | None = None
        self._check()

    def __call__(self, positions: FloatArray) -> tuple[float, FloatArray]:
        coordinates = checked_shape(positions, self._numbers.size)
        before, self._before = self._before, None
        try:
            calculation = self._converged(coordinates, before)
            if self._engine.energies_only:
                energy = self._energy(calculation, coordinates) * HARTREE
                forces = np.full(coordinates.shape, np.nan)
            else:
                energy = float(calculation.e_tot) * HARTREE
                gradient = np.asarray(calculation.nuc_grad_method().kernel(), dtype=np.float64)
                forces = -(gradient - gradient.mean(axis=0)) * (HARTREE / BOHR)
        except (ArithmeticError, RuntimeError, np.linalg.LinAlgError) as error:
            raise error if isinstance(error, EngineError) else EngineError(str(error)) from error
        self._before = Density(calculation.mol, calculation.make_rdm1())
        if self._engine.energies_only:
            checked_label(energy, np.zeros_like(forces))
            return energy, forces
        return checked_label(energy, forces)

    def _converged(self, coordinates: FloatArray, before: Density | None) -> Any:
        """Return a converged calculation: from the density before, else from atoms, else by second-order steps."""
        calculation = self._calculation(coordinates)
        if self._engine.energies_only:
            calculation.grids.level = min(calculation.grids.level, _SCF_GRID)
        if self._engine.fitted:
            calculation.with_df.build()  # else PySCF computes a pure functional's integrals anew in every cycle
        for density in [carried(before, calculation.mol), None] if before is not None else [None]:
            calculation.kernel(dm0=density)
            if calculation.converged:
                return calculation
        second = calculation.newton()
        second.kernel(calculation.mo_coeff, calculation.mo_occ)
        if not second.converged:
            raise EngineError(
                f"SCF not converged in {self._engine.max_cycles} cycles, nor in as many second-order steps"
            )
        return second.undo_soscf()

    def _energy(self, converged: Any, coordinates: FloatArray) -> float:
        """Return the energy of a density on the grid of the level, hartree."""
        if converged.grids.level == self._engine.grid:
            return float(converged.e_tot)
        calculation = self._calculation(coordinates)
        if self._engine.fitted:
            calculation.with_df = converged.with_df
        density = converged.make_rdm1()
        calculation.initialize_grids(calculation.mol, density)
        return float(calculation.energy_tot(density))

    def _check(self) -> None:
        """Set up the atoms far apart: what fails there fails for every geometry."""
        from pyscf import dft

        apart = 10.0 * np.arange(self._numbers.size)[:, None] * np.eye(1, 3)
        try:
            with catch_warnings():
                simplefilter("ignore", UserWarning)  # where else PySCF would look for a basis
                calculation = self._calculation(apart)
                dft.libxc.parse_xc(calculation.xc)
                if self._level.dispersion:
                    calculation.get_dispersion()
        except (AssertionError, LookupError, RuntimeError, ValueError) as error:
            raise InputError(
                f"Expected PySCF to set up {self._engine.method!r} for charge {self._charge} and multiplicity "
                f"{self._spin + 1}; it says {type(error).__name__}: {' '.join(str(error).split())}."
            ) from error

    def _calculation(self, coordinates: FloatArray) -> Any:
        from pyscf import dft, gto

        atoms = [(int(number), tuple(place)) for number, place in zip(self._numbers, coordinates, strict=True)]
        molecule = gto.M(
            atom=atoms,
            basis=self._level.basis,
            charge=self._charge,
            spin=self._spin,
            verbose=0,
            max_memory=self._engine.memory,
        )
        calculation = dft.KS(molecule, xc=self._level.xc)
        if self._engine.fitted:
            # PySCF's own choice for pure functionals is smaller: 2 meV/angstrom in the forces of water instead of 0.1.
            calculation = calculation.density_fit(
                auxbasis=_FITTING_BASIS if self._level.basis.startswith("def2-") else None
            )
        if self._level.dispersion:
            calculation.disp = self._level.damping
            calculation.nlc = self._level.nonlocal_part
        calculation.grids.level = self._engine.grid
        calculation.conv_tol = self._engine.tolerance
        calculation.max_cycle = self._engine.max_cycles
        calculation.chkfile = None
        unused = vars(calculation).pop("_chkfile", None)  # PySCF opens its file before one can say that none is wanted
        if unused is not None:
            unused.close()
        return calculation


def _agreed(method: str, name: str, given: T | None, said: T | None) -> T | None:
    """Return what a setting and the text of the level say of the same thing."""
    if given is not None and said is not None and given != said:
        raise ConfigError(f"Expected {name} once; came {name} = {given} and {method!r}. Leave one of the two out.")
    return said if given is None else given


def _has_avx2() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and "avx2" in flags.read_text().split()


__all__ = ["PyscfEngine"]
