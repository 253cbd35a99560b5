import pytest

from pesx.engines.functional import parse_level
from pesx.errors import InputError


@pytest.mark.parametrize(
    ("text", "xc", "damping", "nonlocal_part"),
    [
        ("b3lyp-d4/def2-svp", "b3lyp", "d4:b3lyp", ""),
        ("wb97x-d3bj/def2-svp", "wb97x-v", "d3bj:wb97x", 0),
        ("wB97M-D4/def2-SVP", "wb97m-v", "d4:wb97m", 0),
        ("wb97x-d3zero/def2-svp", "wb97x", "d3zero:wb97x", ""),
    ],
)
def test_dispersion_takes_the_place_of_vv10_where_the_name_means_that(text, xc, damping, nonlocal_part):
    level = parse_level(text)
    assert (level.xc, level.damping, level.nonlocal_part) == (xc, damping, nonlocal_part)


def test_grid_and_integrals_may_follow_in_parentheses():
    level = parse_level("PBE0/6-31G* (exact, grid 4)")
    assert (level.method, level.dispersion, level.grid, level.fitted) == ("pbe0/6-31g*", "", 4, False)
    assert level.text() == "PBE0/6-31G* (exact, grid 4)"
    plain = parse_level("wb97x-v/def2-svp")
    assert (plain.method, plain.grid, plain.fitted) == ("wb97x-v/def2-svp", None, None)
    assert parse_level("pbe/6-311g(d,p)").basis == "6-311g(d,p)"


@pytest.mark.parametrize(("text", "grid"), [("pbe/sto-3g", 1), ("b3lyp/sto-3g", 1), ("r2scan/sto-3g", 3)])
def test_functionals_of_the_kinetic_energy_density_get_the_finer_grid(text, grid):
    assert parse_level(text).usual_grid() == grid


def test_only_hybrids_fit_exchange():
    assert parse_level("pbe/sto-3g (rij, grid 1)").text() == "PBE/STO-3G (RIJ, grid 1)"
    assert parse_level("pbe0/sto-3g (rijk, grid 1)").text() == "PBE0/STO-3G (RIJK, grid 1)"


@pytest.mark.parametrize("text", ["pbe/sto-3g (fine)", "pbe/sto-3g (grid)", "pbe/sto-3g (grid 3; exact)"])
def test_other_words_in_parentheses_are_refused(text):
    with pytest.raises(InputError, match="grid N, RIJK, RIJ or exact"):
        parse_level(text)


def test_unknown_functionals_are_named():
    with pytest.raises(InputError, match="'nonsense'"):
        parse_level("nonsense/sto-3g").usual_grid()
