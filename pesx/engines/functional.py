"""Levels of density functional theory as text, and what they mean to PySCF."""

import re
from dataclasses import dataclass

from pesx.errors import InputError

_DISPERSIONS = ("d4", "d3bj", "d3zero")

_SPELLINGS = {
    "r2scan": "r2SCAN",
    "wb97x": "wB97X",
    "wb97x-v": "wB97X-V",
    "wb97m": "wB97M",
    "wb97m-v": "wB97M-V",
    "cam-b3lyp": "CAM-B3LYP",
}

_WITHOUT_VV10 = ("b97m", "wb97m", "wb97x")
"""With D3(BJ) or D4 these names stand for the functionals with VV10, whose nonlocal part the dispersion replaces."""

_SETTING = re.compile(r"(?:grid (?P<grid>\d+))|(?P<exact>exact)|(?P<fitted>rijk|rij)")


@dataclass(frozen=True)
class DensityFunctional:
    """A functional, its dispersion, a basis, and how integrals are taken.

    Attributes:
        functional: As PySCF knows it, in lower case.
        dispersion: d4, d3bj, d3zero or empty.
        basis: As PySCF knows it, in lower case.
        grid: PySCF's grid level; None where nothing was said.
        fitted: Whether integrals are density-fitted; None where nothing was said.
    """

    functional: str
    dispersion: str
    basis: str
    grid: int | None = None
    fitted: bool | None = None

    @property
    def method(self) -> str:
        """``functional-dispersion/basis`` in lower case."""
        return f"{'-'.join(filter(None, (self.functional, self.dispersion)))}/{self.basis}"

    @property
    def xc(self) -> str:
        """The exchange and correlation for PySCF (doi:10.1021/acs.jctc.8b00842 for those that lose VV10)."""
        return f"{self.functional}-v" if self._is_without_vv10 else self.functional

    @property
    def damping(self) -> str:
        """The dispersion for PySCF, with the name of its parameters."""
        return f"{self.dispersion}:{self.functional}"

    @property
    def nonlocal_part(self) -> int | str:
        """PySCF's ``nlc``: 0 for none, empty for that of the functional."""
        return 0 if self._is_without_vv10 else ""

    @property
    def _is_without_vv10(self) -> bool:
        return self.functional in _WITHOUT_VV10 and self.dispersion in ("d4", "d3bj")

    def usual_grid(self) -> int:
        """Return 3 for a functional of the kinetic-energy density, else 1.

        Raises:
            InputError: PySCF does not know the functional.
        """
        return 3 if self._ask("xc_type") == "MGGA" else 1

    def text(self) -> str:
        """Return the level as chemists spell it, such as ``B3LYP-D4/def2-SVP (RIJK, grid 1)``."""
        functional = _SPELLINGS.get(self.functional, self.functional.upper())
        basis = f"def2-{self.basis[5:].upper()}" if self.basis.startswith("def2-") else self.basis.upper()
        integrals = ("RIJK" if self._ask("is_hybrid_xc") else "RIJ") if self.fitted else "exact"
        theory = "-".join(filter(None, (functional, self.dispersion.upper())))
        return f"{theory}/{basis} ({integrals}, grid {self.grid})"

    def _ask(self, question: str) -> object:
        # Not at the top: PySCF is optional.
        from pyscf.dft import libxc

        try:
            return getattr(libxc, question)(self.xc)
        except (LookupError, RuntimeError, ValueError) as error:
            raise InputError(
                f"Expected a functional that PySCF knows, came {self.functional!r}: {' '.join(str(error).split())}. "
                "Correct the level."
            ) from error


def parse_level(text: str) -> DensityFunctional:
    """Read a level such as ``b3lyp-d4/def2-svp`` or ``r2SCAN-D4/def2-TZVP (RIJ, grid 4)``.

    Raises:
        InputError: Functional or basis are missing, or what stands in parentheses is not known.
    """
    theory, opening, settings = text.strip().lower().partition(" (")
    method, _, basis = theory.strip().partition("/")
    functional, _, dispersion = method.rpartition("-")
    if dispersion not in _DISPERSIONS:
        functional, dispersion = method, ""
    if not functional or not basis:
        raise InputError(f"Expected a level such as b3lyp-d4/def2-svp (functional-dispersion/basis), came {text!r}.")
    grid: int | None = None
    fitted: bool | None = None
    for word in settings.removesuffix(")").split(",") if opening else []:
        said = _SETTING.fullmatch(word.strip())
        if said is None:
            raise InputError(f"Expected grid N, RIJK, RIJ or exact in parentheses after the level, came {text!r}.")
        if said["grid"]:
            grid = int(said["grid"])
        else:
            fitted = said["exact"] is None
    return DensityFunctional(functional, dispersion, basis.strip(), grid, fitted)


__all__ = ["DensityFunctional", "parse_level"]
