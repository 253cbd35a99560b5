import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from pesx.so3krates.so3lr import PUBLISHED

TABLE = 119
ZBL = ("a1", "a2", "a3", "a4", "c1", "c2", "c3", "c4", "d", "p")
FEATURES, RADIAL, LAYERS, HEADS = 16, 8, 2, 2

SMALL_SO3LR = PUBLISHED | {
    "num_features": FEATURES,
    "num_layers": LAYERS,
    "num_heads": HEADS,
    "num_radial_basis_fn": RADIAL,
    "energy_regression_dim": FEATURES,
}
"""Hyperparameters of a network like SO3LR, but small."""


def dense(name: str, inputs: int, outputs: int, *, bias: bool = True) -> dict[str, tuple[int, ...]]:
    shapes = {f"{name}/kernel": (inputs, outputs)}
    return shapes | {f"{name}/bias": (outputs,)} if bias else shapes


def layer_shapes(prefix: str) -> dict[str, tuple[int, ...]]:
    f, n_degrees = FEATURES, 4
    shapes = dense(f"{prefix}/exchange_block/mlp_layer_2", f + n_degrees, f + n_degrees)
    shapes |= dense(f"{prefix}/res_mlp_1_layer_1", f, f) | dense(f"{prefix}/res_mlp_1_layer_2", f, f)
    for number, heads in ((1, HEADS), (2, n_degrees)):
        block = f"{prefix}/attention_block"
        shapes |= {f"{block}/W{kind}{number}": (heads, f // heads, f // heads) for kind in "qk"}
        shapes |= dense(f"{block}/radial_filter{number}_layer_1", RADIAL, f)
        shapes |= dense(f"{block}/radial_filter{number}_layer_2", f, f)
        shapes |= dense(f"{block}/spherical_filter{number}_layer_1", n_degrees, f // 4)
        shapes |= dense(f"{block}/spherical_filter{number}_layer_2", f // 4, f)
        shapes |= {f"{prefix}/layer_normalization_{number}/{part}": (f,) for part in ("scale", "bias")}
    return shapes | {f"{prefix}/attention_block/Wv1": (HEADS, f // HEADS, f // HEADS)}


def so3lr_shapes() -> dict[str, tuple[int, ...]]:
    f, energy = FEATURES, "params/observables_0"
    charges, hirshfeld = f"{energy}/electrostatic_energy/partial_charges", "params/observables_2"
    shapes = {"params/feature_embeddings_0/Embed_0/embedding": (TABLE, f)}
    for number in (1, 2):
        prefix = f"params/feature_embeddings_{number}/ChargeSpinEmbedSparse_0"
        shapes |= {f"{prefix}/Embed_{k}/embedding": (TABLE if k == 0 else 2, f) for k in range(3)}
        shapes |= dense(f"{prefix}/Residual_0/layers_0", f, f, bias=False)
        shapes |= dense(f"{prefix}/Residual_0/layers_1", f, f, bias=False)
    for number in range(LAYERS):
        shapes |= layer_shapes(f"params/layers_{number}")
    shapes |= dense(f"{energy}/energy_dense_regression", f, f) | dense(f"{energy}/energy_dense_final", f, 1)
    shapes |= {f"{energy}/atomic_scales": (TABLE,), f"{energy}/energy_offset": (TABLE,)}
    shapes |= {f"{energy}/zbl_repulsion/{name}": (1,) for name in ZBL}
    shapes |= {f"{charges}/Embed_0/embedding": (100, 1)}
    shapes |= dense(f"{charges}/charge_dense_regression_vec", f, f) | dense(f"{charges}/charge_dense_final_vec", f, 1)
    shapes |= {f"{hirshfeld}/Embed_0/embedding": (100, 1), f"{hirshfeld}/Embed_1/embedding": (100, f // 2)}
    shapes |= dense(f"{hirshfeld}/hirshfeld_ratios_dense_regression", f, f // 2)
    return shapes | dense(f"{hirshfeld}/hirshfeld_ratios_dense_final", f // 2, f // 2)


@pytest.fixture
def so3lr_arrays() -> dict[str, np.ndarray]:
    """Random parameters under the paths of SO3LR."""
    random = np.random.default_rng(0)
    return {name: (0.3 * random.normal(size=shape)).astype(np.float32) for name, shape in so3lr_shapes().items()}


@pytest.fixture
def write_so3lr(tmp_path: Path):
    """Write arrays, and the small hyperparameters, as the SO3LR package has them."""

    def write(arrays: dict[str, np.ndarray], **changed) -> Path:
        tree: dict = {}
        for name, array in arrays.items():
            *path, last = name.split("/")
            branch = tree
            for part in path:
                branch = branch.setdefault(part, {})
            branch[last] = array
        (tmp_path / "params.pkl").write_bytes(pickle.dumps(tree))
        model = {**SMALL_SO3LR, **changed}
        content = {"model": model, "data": {"avg_num_neighbors": model.pop("avg_num_neighbors")}}
        (tmp_path / "hyperparameters.json").write_text(json.dumps(content))
        return tmp_path / "params.pkl"

    return write
