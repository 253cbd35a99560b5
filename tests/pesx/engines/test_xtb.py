import dataclasses
import pickle

import numpy as np
import pytest

from pesx.engines import XtbEngine
from pesx.errors import ConfigError, EngineError, InputError

WATER = np.array([8, 1, 1])
BENT = np.array([[0.0, 0.0, 0.0], [1.02, 0.05, 0.0], [-0.3, 0.9, 0.1]])


@pytest.mark.parametrize("method", ["gfn1", "gfn2"])
def test_forces_are_minus_the_gradient(method: str) -> None:
    engine = XtbEngine(method, accuracy=0.01)
    _, forces = engine.evaluate(WATER, BENT)
    step = 1e-3
    for index in np.ndindex(3, 3):
        shift = np.zeros((3, 3))
        shift[index] = step
        rise = engine.evaluate(WATER, BENT + shift)[0] - engine.evaluate(WATER, BENT - shift)[0]
        assert forces[index] == pytest.approx(-rise / (2 * step), abs=2e-4)


def test_a_restart_gives_the_energy_of_a_new_calculation() -> None:
    engine = XtbEngine()
    bound = engine.bind(WATER)
    for amplitude in (0.0, 0.03, 0.3, -0.1):
        energy, forces = bound(BENT * (1 + amplitude))
        fresh_energy, fresh_forces = engine.evaluate(WATER, BENT * (1 + amplitude))
        assert energy == pytest.approx(fresh_energy, abs=1e-7)
        np.testing.assert_allclose(forces, fresh_forces, atol=1e-4)


@pytest.mark.parametrize("positions", [np.zeros((3, 3)), BENT * np.nan])
def test_refuses_impossible_structures_and_goes_on(positions: np.ndarray) -> None:
    bound = XtbEngine().bind(WATER)
    before = bound(BENT)[0]
    with pytest.raises(EngineError):
        bound(positions)
    assert bound(BENT)[0] == pytest.approx(before, abs=1e-7)


def test_says_when_the_cycles_do_not_suffice() -> None:
    with pytest.raises(EngineError, match="not converged"):
        XtbEngine(max_cycles=1).evaluate(WATER, BENT)


def test_charge_and_multiplicity_matter() -> None:
    engine = XtbEngine()
    neutral = engine.evaluate(WATER, BENT)[0]
    assert engine.evaluate(WATER, BENT, charge=1, multiplicity=2)[0] > neutral + 5.0
    assert engine.evaluate(WATER, BENT, multiplicity=3)[0] > neutral + 2.0


def test_rejects_a_multiplicity_that_does_not_fit_the_electrons() -> None:
    with pytest.raises(InputError, match="10 electrons"):
        XtbEngine().evaluate(WATER, BENT, multiplicity=2)


def test_rejects_a_wrong_shape() -> None:
    with pytest.raises(InputError, match=r"\(3, 3\)"):
        XtbEngine().evaluate(WATER, BENT[:2])


def test_rejects_unknown_methods() -> None:
    with pytest.raises(ConfigError, match="gfn2"):
        XtbEngine("gfn3")


@pytest.mark.parametrize("accuracy", [0.0, float("nan")])
def test_rejects_settings_out_of_range(accuracy: float) -> None:
    with pytest.raises(ConfigError, match="accuracy > 0"):
        XtbEngine(accuracy=accuracy)


def test_is_a_value() -> None:
    engine = XtbEngine(accuracy=0.1)
    assert pickle.loads(pickle.dumps(engine)) == engine
    assert engine.level == "GFN2-xTB"
    with pytest.raises(dataclasses.FrozenInstanceError):
        engine.accuracy = 1.0  # type: ignore[misc]
