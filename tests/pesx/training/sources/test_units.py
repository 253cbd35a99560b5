import pytest

from pesx.errors import ConfigError, InputError
from pesx.training.sources.units import energy_factor, force_factor, length_factor, require_same_unit


def test_factors_into_ev_and_angstrom():
    assert energy_factor("eV") == 1.0
    assert energy_factor("Hartree") == pytest.approx(27.2114, rel=1e-6)
    assert energy_factor("kcal/mol") == pytest.approx(1 / 23.0605, rel=1e-5)
    assert length_factor("nm") == 10.0
    assert length_factor("bohr") == pytest.approx(0.529177, rel=1e-6)
    assert force_factor("hartree/bohr") == pytest.approx(51.4221, rel=1e-6)
    assert force_factor("kJ/mol/nm") == pytest.approx(0.00103643, rel=1e-5)


@pytest.mark.parametrize(
    ("factor", "unit", "known"),
    [
        (energy_factor, "Ry", "kcal/mol, kj/mol, hartree"),
        (length_factor, "pm", "angstrom, bohr, nm"),
        (force_factor, "kcal/mol", "a slash"),
        (force_factor, "angstrom", "kcal/mol"),
        (force_factor, "Ry/bohr", "hartree"),
    ],
)
def test_an_unknown_unit_names_the_known_ones(factor, unit, known):
    with pytest.raises(ConfigError, match=f"{unit}.*{known}"):
        factor(unit)


def test_a_file_that_says_another_unit():
    require_same_unit(" Bohr ", "bohr", where="file")
    with pytest.raises(InputError, match="file: expected the unit 'bohr', but the file says 'nm'"):
        require_same_unit("nm", "bohr", where="file")
