import numpy as np
import pytest
import torch

from pesx.chemistry.conformer import conformer_of


@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, torch.tensor, list])
def test_positions_are_those_given(kind):
    positions = np.random.default_rng(0).normal(size=(5, 3))
    conformer = conformer_of(kind(positions))
    np.testing.assert_array_equal(conformer.GetPositions(), positions)
    assert conformer.Is3D()
