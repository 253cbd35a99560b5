import numpy as np
import pytest
from ase.calculators.calculator import CalculatorSetupError
from ase.calculators.lj import LennardJones

from pesx.engines import AseEngine
from pesx.errors import EngineError, InputError

ONE = np.array([1])


def test_a_calculator_by_its_place(springs: str) -> None:
    energy, forces = AseEngine(f"{springs}:Spring").evaluate(ONE, np.array([[1.0, 2.0, 0.0]]), charge=3)
    assert energy == pytest.approx(2.5 + 3)
    np.testing.assert_allclose(forces, [[-1.0, -2.0, 0.0]])


def test_a_calculator_by_its_factory() -> None:
    engine = AseEngine(LennardJones, "LJ")
    energy, _ = engine.evaluate(np.array([18, 18]), np.array([[0.0, 0, 0], [2 ** (1 / 6), 0, 0]]))
    assert energy == pytest.approx(-1.0, abs=0.02)
    assert (engine.name, engine.level) == ("LennardJones", "LJ")


def test_whatever_a_calculator_raises_is_a_refusal(springs: str) -> None:
    bound = AseEngine(f"{springs}:Spring").bind(ONE)
    with pytest.raises(EngineError, match="RuntimeError: spring is broken"):
        bound(np.array([[100.0, 0, 0]]))
    assert bound(np.zeros((1, 3)))[0] == 0.0


@pytest.mark.parametrize("place", ["springs_for_tests:Nothing", "no_such_module_anywhere:Spring"])
def test_says_what_cannot_be_imported(springs: str, place: str) -> None:
    assert springs == "springs_for_tests"
    with pytest.raises(InputError, match=f"Expected .*{place.partition(':')[0]}"):
        AseEngine(place).evaluate(ONE, np.zeros((1, 3)))


def test_rejects_half_a_place() -> None:
    with pytest.raises(InputError, match="module:attribute"):
        AseEngine("module:")


@pytest.mark.parametrize("factory", [lambda: 3, lambda: 1 / 0])
def test_what_makes_no_calculator_is_the_callers_fault(factory) -> None:
    with pytest.raises(InputError, match="calculator"):
        AseEngine(factory).bind(ONE)


class Unconfigured(LennardJones):
    """A calculator whose program is not there."""

    def calculate(self, *_: object) -> None:
        raise CalculatorSetupError("no program")


def test_a_program_that_is_not_there_is_the_callers_fault() -> None:
    with pytest.raises(InputError, match=r"Unconfigured.*no program"):
        AseEngine(Unconfigured).evaluate(ONE, np.zeros((1, 3)))
