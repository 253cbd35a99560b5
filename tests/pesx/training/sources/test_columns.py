import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.sources.columns import stacked


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
