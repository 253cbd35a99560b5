import numpy as np
import pytest

from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.reference import fit_references


def frames(numbers, energy):
    n = len(energy)
    return MoleculeFrames(
        name="m",
        level="toy",
        numbers=np.array(numbers),
        charge=0,
        multiplicity=1,
        positions=np.zeros((n, len(numbers), 3), dtype=np.float32),
        energy=np.asarray(energy, dtype=np.float64),
        forces=np.zeros((n, len(numbers), 3), dtype=np.float32),
        temperature=np.full(n, np.nan),
        trajectory=np.zeros(n, dtype=np.int64),
        force_weight=np.ones((n, len(numbers)), dtype=np.float32),
    )


def test_known_energies_are_found():
    e_h, e_o = -10.0, -2000.0
    molecules = (frames([8, 1, 1], [e_o + 2 * e_h] * 3), frames([8, 8], [2 * e_o] * 2), frames([1, 1], [2 * e_h]))
    references = fit_references(Dataset(molecules))["toy"]
    assert references.energies == pytest.approx({1: e_h, 8: e_o}, rel=1e-9)
    assert references.rank == 2


def test_compositions_that_do_not_fix_the_elements():
    """CH2 units only: carbon and hydrogen cannot be told apart, but any number of units is predicted."""
    unit = -120.0
    molecules = tuple(frames([6] * n + [1] * 2 * n, [n * unit]) for n in (2, 3, 5))
    references = fit_references(Dataset(molecules))["toy"]
    assert references.rank == 1
    assert references.total(np.array([6] * 7 + [1] * 14)) == pytest.approx(7 * unit, rel=1e-9)


def test_a_distorted_frame_does_not_move_the_zero():
    references = fit_references(Dataset((frames([1, 1], [-20.0] * 9 + [500.0]),)))["toy"]
    assert references.total(np.array([1, 1])) == pytest.approx(-20.0)
