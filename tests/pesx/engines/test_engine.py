import numpy as np
import pytest

from pesx.engines.engine import check_electrons, checked_label, checked_shape
from pesx.errors import EngineError, InputError


def test_positions_become_contiguous_float64() -> None:
    array = checked_shape(np.arange(12, dtype=np.float32).reshape(3, 4).T[:, :3], 4)
    assert array.dtype == np.float64
    assert array.flags["C_CONTIGUOUS"]


def test_a_wrong_shape_is_the_callers_fault() -> None:
    with pytest.raises(InputError, match=r"shape \(4, 3\), came \(3, 3\)"):
        checked_shape(np.zeros((3, 3)), 4)


def test_coordinates_must_be_finite() -> None:
    with pytest.raises(EngineError, match="coordinates"):
        checked_shape(np.full((2, 3), np.inf), 2)


@pytest.mark.parametrize(
    ("energy", "force", "what"), [(np.nan, 0.0, "energy"), (np.inf, 0.0, "energy"), (0.0, np.nan, "forces")]
)
def test_labels_must_be_finite(energy: float, force: float, what: str) -> None:
    with pytest.raises(EngineError, match=f"{what} (is|are) not finite"):
        checked_label(energy, np.full((2, 3), force))


@pytest.mark.parametrize(("charge", "multiplicity"), [(0, 1), (0, 3), (1, 2), (-1, 2), (7, 4)])
def test_electrons_that_a_multiplicity_fits(charge: int, multiplicity: int) -> None:
    check_electrons(np.array([8, 1, 1]), charge, multiplicity)


@pytest.mark.parametrize(("charge", "multiplicity"), [(0, 2), (1, 1), (7, 6), (12, 1)])
def test_electrons_that_it_does_not_fit(charge: int, multiplicity: int) -> None:
    with pytest.raises(InputError, match=f"fits {10 - charge} electrons at the charge {charge}, came {multiplicity}"):
        check_electrons(np.array([8, 1, 1]), charge, multiplicity)
