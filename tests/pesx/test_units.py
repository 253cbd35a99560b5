import ase.units
import pytest

from pesx import units


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (units.BOLTZMANN, ase.units.kB),
        (units.HARTREE, ase.units.Hartree),
        (units.BOHR, ase.units.Bohr),
        (units.KCAL_PER_MOL, ase.units.kcal / ase.units.mol),
        (units.KJ_PER_MOL, ase.units.kJ / ase.units.mol),
        (units.ACCELERATION, ase.units.fs**2),
    ],
)
def test_factors_are_those_of_ase(ours: float, theirs: float) -> None:
    # ASE has the constants of 2014, which are good to that.
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_units_a_user_may_write_fit_together() -> None:
    known = units.ENERGY_UNITS
    assert known["ev"] == 1000 * known["mev"] == 1
    assert known["kcal/mol"] / known["kj/mol"] == pytest.approx(4.184)
    assert known["hartree"] / known["kcal/mol"] == pytest.approx(627.5095, rel=1e-6)
    assert all(name == name.lower() for name in known)
