"""The units of pesx and the factors at its borders.

Inside: eV, angstrom, fs, K, u (atomic mass), e. A number in other units is converted where it is read or written, never later.
Constants: CODATA 2018, doi:10.1103/RevModPhys.93.025010.
"""

BOLTZMANN = 8.617333262e-5
"""eV/K."""

HARTREE = 27.211386245988
"""eV."""

BOHR = 0.529177210903
"""angstrom."""

KCAL_PER_MOL = 0.0433641153087705
"""eV (thermochemical calorie, 4.184 J)."""

KJ_PER_MOL = 0.0103642688
"""eV."""

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
