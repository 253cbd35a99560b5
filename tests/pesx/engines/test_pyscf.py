import numpy as np
import pytest

from pesx.engines import PyscfEngine
from pesx.errors import ConfigError, EngineError, InputError

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


def test_says_when_the_cycles_do_not_suffice() -> None:
    with pytest.raises(EngineError, match="SCF not converged in 2 cycles"):
        PyscfEngine("pbe/sto-3g", max_cycles=2).evaluate(WATER, BENT)


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("b3lyp-d4/def2-svp", "B3LYP-D4/def2-SVP"),
        ("PBE/6-31g*", "PBE/6-31G*"),
        ("wb97x-d3bj/def2-tzvp", "wB97X-D3BJ/def2-TZVP"),
        ("cam-b3lyp/sto-3g", "CAM-B3LYP/STO-3G"),
        ("r2SCAN-D4/def2-TZVP", "r2SCAN-D4/def2-TZVP"),
    ],
)
def test_spells_levels_as_chemists_do(given: str, spelled: str) -> None:
    assert PyscfEngine(given).level == spelled
    assert PyscfEngine(spelled).level == spelled


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
        ("pbe/bar", 1, "basis"),
        ("svwn-d4/sto-3g", 1, "svwn"),
        ("pbe/sto-3g", 2, "Electron number 10"),
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
