import numpy as np
import pytest
from pyscf import dft, gto

from pesx.engines import PyscfEngine
from pesx.errors import ConfigError, EngineError, InputError
from pesx.units import HARTREE

WATER = np.array([8, 1, 1])
BENT = np.array([[0.0, 0.0, 0.0], [0.98, 0.02, 0.0], [-0.27, 0.93, 0.05]])


def test_water() -> None:
    engine = PyscfEngine("pbe/def2-svp", grid=2, tolerance=1e-8)
    _, forces = engine.evaluate(WATER, BENT)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-12)
    direction = np.array([[0.1, -0.3, 0.0], [0.6, 0.2, -0.1], [0.0, 0.4, 0.2]])
    step = 0.01
    ahead = engine.evaluate(WATER, BENT + step * direction)[0]
    behind = engine.evaluate(WATER, BENT - step * direction)[0]
    direction -= direction.mean(axis=0)
    assert (forces * direction).sum() == pytest.approx((behind - ahead) / (2 * step), abs=0.01)


@pytest.mark.parametrize(("functional", "grid"), [("b3lyp-d4", 1), ("r2scan", 3), ("wb97x-d3bj", 1), ("pbe-d3bj", 1)])
def test_density_fitting_is_within_a_millielectronvolt_of_plain_pyscf(functional: str, grid: int) -> None:
    atoms = [(int(number), place) for number, place in zip(WATER, BENT, strict=True)]
    plain = dft.KS(gto.M(atom=atoms, basis="def2-svp", verbose=0), xc=functional)
    plain.grids.level = grid
    plain.chkfile = None
    vars(plain).pop("_chkfile").close()
    energy = plain.kernel() * HARTREE
    engine = PyscfEngine(f"{functional}/def2-svp", tolerance=1e-9, energies_only=True)
    assert engine.evaluate(WATER, BENT)[0] == pytest.approx(energy, abs=1e-3)
    exact = PyscfEngine(f"{functional}/def2-svp (exact)", tolerance=1e-9)
    assert exact.evaluate(WATER, BENT)[0] == pytest.approx(energy, abs=1e-6)


def test_energies_without_forces_are_the_same_energies() -> None:
    engine = PyscfEngine("pbe-d4/sto-3g")
    energy, forces = engine.without_forces().evaluate(WATER, BENT)
    assert energy == pytest.approx(engine.evaluate(WATER, BENT)[0], abs=1e-9)
    assert forces.shape == (3, 3)
    assert np.isnan(forces).all()
    assert engine.without_forces().level == engine.level


def test_energies_alone_take_the_density_from_a_coarser_grid_and_the_energy_from_their_own() -> None:
    energies = [PyscfEngine(f"r2scan/def2-svp (grid {grid})").evaluate(WATER, BENT)[0] for grid in (1, 3)]
    alone, _ = PyscfEngine("r2scan/def2-svp (grid 3)", energies_only=True).evaluate(WATER, BENT)
    assert alone == pytest.approx(energies[1], abs=1e-4)
    assert abs(alone - energies[0]) > 1e-3


def test_a_bound_engine_gives_what_a_fresh_one_gives_whatever_came_before() -> None:
    engine = PyscfEngine("pbe/sto-3g", tolerance=1e-10, energies_only=True)
    evaluate = engine.bind(WATER)
    for positions in (BENT, BENT[:, ::-1] + 5.0, 1.1 * BENT):
        assert evaluate(positions)[0] == pytest.approx(engine.evaluate(WATER, positions)[0], abs=1e-7)
    with pytest.raises(EngineError):
        evaluate(np.full((3, 3), np.nan))
    assert evaluate(BENT)[0] == pytest.approx(engine.evaluate(WATER, BENT)[0], abs=1e-7)


def test_second_order_steps_converge_what_the_cycles_do_not() -> None:
    energy, forces = PyscfEngine("pbe/sto-3g").evaluate(WATER, BENT)
    found = PyscfEngine("pbe/sto-3g", max_cycles=3).evaluate(WATER, BENT)
    assert found[0] == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(found[1], forces, atol=0.01)


def test_says_when_neither_suffices() -> None:
    with pytest.raises(EngineError, match="SCF not converged in 1 cycles, nor in as many second-order steps"):
        PyscfEngine("pbe/sto-3g", max_cycles=1).evaluate(WATER, BENT)


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("b3lyp-d4/def2-svp", "B3LYP-D4/def2-SVP (RIJK, grid 1)"),
        ("PBE/6-31g*", "PBE/6-31G* (RIJ, grid 1)"),
        ("wb97x-d3bj/def2-tzvp", "wB97X-D3BJ/def2-TZVP (RIJK, grid 1)"),
        ("cam-b3lyp/sto-3g (exact)", "CAM-B3LYP/STO-3G (exact, grid 1)"),
        ("r2SCAN-D4/def2-TZVP", "r2SCAN-D4/def2-TZVP (RIJ, grid 3)"),
        ("r2SCAN-D4/def2-TZVP (grid 4)", "r2SCAN-D4/def2-TZVP (RIJ, grid 4)"),
    ],
)
def test_spells_levels_as_chemists_do(given: str, spelled: str) -> None:
    assert PyscfEngine(given).level == spelled
    assert PyscfEngine(spelled) == PyscfEngine(given)


def test_a_setting_is_given_once() -> None:
    assert PyscfEngine("pbe/sto-3g (grid 2)", grid=2).grid == 2
    with pytest.raises(ConfigError, match="Expected grid once"):
        PyscfEngine("pbe/sto-3g (grid 2)", grid=3)


@pytest.mark.parametrize("level", ["b3lyp", "/def2-svp", "b3lyp-d4/"])
def test_rejects_incomplete_levels(level: str) -> None:
    with pytest.raises(InputError, match="functional-dispersion/basis"):
        PyscfEngine(level)


@pytest.mark.parametrize("wrong", [{"grid": 12}, {"tolerance": float("nan")}, {"max_cycles": 0}])
def test_rejects_settings_out_of_range(wrong) -> None:
    with pytest.raises(ConfigError, match="grid 0 to 9"):
        PyscfEngine(**wrong)


@pytest.mark.parametrize(
    ("level", "multiplicity", "words"),
    [
        ("foo/sto-3g", 1, "FOO"),
        ("wb97x-d3/sto-3g", 1, "wb97x-d3"),
        ("pbe/bar", 1, "basis"),
        ("svwn-d4/sto-3g", 1, "svwn"),
        ("pbe/sto-3g", 2, "fits 10 electrons at the charge 0, came 2"),
    ],
)
def test_what_no_geometry_can_mend_is_the_callers_fault(level: str, multiplicity: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        PyscfEngine(level).bind(WATER, multiplicity=multiplicity)


@pytest.mark.filterwarnings("ignore:.*matrix a is not strictly positive definite")
def test_atoms_upon_each_other_are_a_refusal() -> None:
    with pytest.raises(EngineError):
        PyscfEngine("pbe-d4/sto-3g").evaluate(np.array([1, 1]), np.zeros((2, 3)))


def test_corrects_an_old_core_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Barcelona")
    assert PyscfEngine().environment() in ({"OPENBLAS_CORETYPE": "Haswell"}, {})
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert PyscfEngine().environment() == {}
