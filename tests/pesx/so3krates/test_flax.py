import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pesx.errors import CheckpointError
from pesx.so3krates.flax import ParameterTree, read_parameters

TREE = {
    "params": {
        "dense": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3), "bias": np.ones(3, dtype=np.float32)},
        "norm": {"scale": np.full(4, 2.0), "bias": np.full(4, 3.0)},
        "table": np.arange(20.0).reshape(10, 2),
    }
}


@pytest.fixture
def tree(tmp_path: Path) -> ParameterTree:
    path = tmp_path / "params.pkl"
    path.write_bytes(pickle.dumps(TREE))
    return ParameterTree(read_parameters(path), path)


def test_a_pickle_and_an_npz_file_are_the_same_table(tmp_path: Path) -> None:
    (tmp_path / "params.pkl").write_bytes(pickle.dumps(TREE))
    flat = read_parameters(tmp_path / "params.pkl")
    np.savez(tmp_path / "params.npz", **flat)
    again = read_parameters(tmp_path / "params.npz")
    assert list(flat) == list(again)
    assert "params/dense/kernel" in flat
    for name, array in flat.items():
        np.testing.assert_array_equal(array, again[name])


@torch.no_grad()
def test_a_dense_layer_becomes_a_linear_map(tree: ParameterTree) -> None:
    linear = nn.Linear(2, 3)
    tree.linear(linear, "params/dense")
    x = np.array([1.0, 2.0], dtype=np.float32)
    expected = x @ TREE["params"]["dense"]["kernel"] + 1.0
    np.testing.assert_allclose(linear(torch.from_numpy(x)).numpy(), expected)


@torch.no_grad()
def test_what_a_map_has_more_becomes_zero(tree: ParameterTree) -> None:
    linear = nn.Linear(4, 5)
    tree.linear(linear, "params/dense", inputs=2, outputs=3)
    assert not linear.weight[3:].any()
    assert not linear.weight[:, 2:].any()
    assert linear.bias.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]


@torch.no_grad()
def test_norms_and_rows(tree: ParameterTree) -> None:
    norm = nn.LayerNorm(4)
    tree.norm(norm, "params/norm")
    assert norm.weight.tolist() == [2.0] * 4
    assert norm.bias.tolist() == [3.0] * 4
    assert tree.rows("params/table", (1, 9), 2).tolist() == [[2.0, 3.0], [18.0, 19.0]]
    assert tree.per_row("params/norm/bias", (0, 3)).tolist() == [3.0, 3.0]


def test_what_is_missing_misshapen_or_left_over_is_named(tree: ParameterTree) -> None:
    with pytest.raises(CheckpointError, match="params/absent"):
        tree.take("params/absent", (1,))
    with pytest.raises(CheckpointError, match=r"shape \(3,\), came \(4,\)"):
        tree.take("params/norm/scale", (3,))
    with pytest.raises(CheckpointError, match=r"\(11, 2\), came \(10, 2\)"):
        tree.rows("params/table", (10,), 2)
    with pytest.raises(CheckpointError, match=r"\(5,\), came \(4,\)"):
        tree.per_row("params/norm/scale", (4,))
    with pytest.raises(CheckpointError, match="params/dense/bias"):
        tree.check_all_used()


@pytest.mark.parametrize(
    "content", [[np.zeros(3)], {"params": "text"}, {"params": np.array(["text"])}, {"params": np.arange(3)}]
)
def test_what_is_no_tree_of_numbers_is_refused(tmp_path: Path, content) -> None:
    path = tmp_path / "params.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match="Expected"):
        read_parameters(path)


def test_damaged_and_missing_npz_files(tmp_path: Path) -> None:
    path = tmp_path / "params.npz"
    with pytest.raises(CheckpointError, match="found none"):
        read_parameters(path)
    np.savez(path, a=np.zeros(100))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match="npz"):
        read_parameters(path)
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match="npz"):
        read_parameters(path)
