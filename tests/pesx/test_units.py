import pytest
from scipy import constants

from pesx import units


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (units.BOLTZMANN, constants.k / constants.e),
        (units.HARTREE, constants.value("Hartree energy in eV")),
        (units.BOHR, constants.value("Bohr radius") / constants.angstrom),
        (units.KCAL_PER_MOL, constants.kilo * constants.calorie / constants.N_A / constants.e),
        (units.KJ_PER_MOL, constants.kilo / constants.N_A / constants.e),
        (units.ACCELERATION, constants.e / constants.atomic_mass * constants.femto**2 / constants.angstrom**2),
    ],
)
def test_factors_are_those_of_codata(ours: float, theirs: float) -> None:
    # SciPy may have the constants of 2018 or of 2022, which are the same to that.
    assert ours == pytest.approx(theirs, rel=2e-9)


def test_units_a_user_may_write_fit_together() -> None:
    known = units.ENERGY_UNITS
    assert known["ev"] == 1000 * known["mev"] == 1
    assert known["kcal/mol"] / known["kj/mol"] == pytest.approx(4.184, rel=1e-15)
    assert known["hartree"] / known["kcal/mol"] == pytest.approx(627.5095, rel=1e-6)
    assert all(name == name.lower() for name in known)
