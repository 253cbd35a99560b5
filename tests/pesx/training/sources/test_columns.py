import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.sources.columns import atomic_numbers, stacked


def test_frames_without_a_label_are_masked():
    labels = stacked([None, np.ones((2, 3))], (2, 3), where="here")
    assert np.ma.getmaskarray(labels).all(axis=(1, 2)).tolist() == [True, False]
    assert labels[1].tolist() == [[1, 1, 1]] * 2
    assert stacked([1.0, None], (), where="here").mask.tolist() == [False, True]


def test_no_label_at_all():
    assert stacked([None, None], (), where="here") is None


def test_a_label_of_the_wrong_shape():
    with pytest.raises(InputError, match=r"here, frame 1.*\(2, 3\), came \(3, 2\)"):
        stacked([None, np.ones((3, 2))], (2, 3), where="here")


def test_a_label_that_is_no_number():
    with pytest.raises(InputError, match=r"here, frame 1.*expected a number, came 'low'"):
        stacked([1.0, "low"], (), where="here")


@pytest.mark.parametrize("values", [[8, 1, 1], [8.0, 1.0, 1.0], np.array([8, 1, 1], dtype=np.uint8)])
def test_atomic_numbers_are_whole(values):
    found = atomic_numbers(values, where="here")
    assert found.dtype == np.int64
    assert found.tolist() == [8, 1, 1]


@pytest.mark.parametrize("values", [["O", "H", "H"], [b"O"], [8.5, 1, 1], [np.nan], [8 + 1j]])
def test_what_is_no_atomic_number(values):
    with pytest.raises(InputError, match="here: expected atomic numbers, such as 8 for oxygen, came"):
        atomic_numbers(values, where="here")
