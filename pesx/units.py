"""The units of pesx and the factors at its borders.

Inside: eV, angstrom, fs, K, u (atomic mass), e. A number in other units is converted where it is read or written, never later.
Constants: CODATA 2018, doi:10.1103/RevModPhys.93.025010; those that follow from the SI are exact there.
"""

_ELEMENTARY_CHARGE = 1.602176634e-19
"""C; exact."""

_AVOGADRO = 6.02214076e23
"""1/mol; exact."""

BOLTZMANN = 8.617333262e-5
"""eV/K."""

HARTREE = 27.211386245988
"""eV."""

BOHR = 0.529177210903
"""angstrom."""

KJ_PER_MOL = 1e3 / (_ELEMENTARY_CHARGE * _AVOGADRO)
"""eV."""

KCAL_PER_MOL = 4.184 * KJ_PER_MOL
"""eV (thermochemical calorie)."""

ACCELERATION = 9.648533212e-3
"""(eV/angstrom) / u, in angstrom/fs^2."""

ENERGY_UNITS = {
    "ev": 1.0,
    "mev": 1e-3,
    "kcal/mol": KCAL_PER_MOL,
    "kj/mol": KJ_PER_MOL,
    "hartree": HARTREE,
}
"""Names a user may write behind an energy, in eV."""

LENGTH_UNITS = {"angstrom": 1.0, "bohr": BOHR, "nm": 10.0}
"""Names a user may write behind a length, in angstrom."""
