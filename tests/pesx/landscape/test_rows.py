import numpy as np
import torch

from pesx.landscape.rows import columns, from_blobs, molecule_from_text, molecule_to_text, none_if_negative, to_blobs


def test_structures_survive_to_the_last_bit():
    positions = torch.randn(4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    blobs = to_blobs(positions)
    assert [len(blob) for blob in blobs] == [72] * 4
    assert torch.equal(from_blobs(np.array(blobs, dtype=object), 3), positions)
    assert from_blobs(np.array([], dtype=object), 3).shape == (0, 3, 3)


def test_a_molecule_survives(water):
    again = molecule_from_text(molecule_to_text(water))
    assert again.digest == water.digest
    assert again.name == water.name
    assert torch.equal(again.positions, water.positions)


def test_columns_have_their_dtypes_also_when_there_are_no_rows():
    integers, numbers = columns([(1, 0.5), (2, None)], "qd")
    assert integers.tolist() == [1, 2]
    assert numbers[0] == 0.5
    assert np.isnan(numbers[1])
    assert [column.dtype.kind for column in columns([], "qdO")] == ["i", "f", "O"]


def test_negative_numbers_stand_for_none():
    assert none_if_negative(np.array([3, -1, 0])) == [3, None, 0]
