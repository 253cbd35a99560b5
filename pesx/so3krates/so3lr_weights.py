"""Which array of SO3LR goes where.

The arithmetic is that of the network here but for constants that can be added up beforehand: the filter of Euclidean variables
has a bias there, and stands before the first layer too, where those variables are zero and it is a constant.
"""

import torch
from torch import nn

from pesx.so3krates.attention import Coefficients, Filter
from pesx.so3krates.embedding import ElectronicEmbedding
from pesx.so3krates.flax import ParameterTree
from pesx.so3krates.layer import Layer, ResidualMlp
from pesx.so3krates.long_range import LongRange
from pesx.so3krates.model import So3krates
from pesx.so3krates.settings import So3kratesSettings
from pesx.so3krates.zbl import ZblRepulsion

_ENERGY = "params/observables_0"
_CHARGES = f"{_ENERGY}/electrostatic_energy/partial_charges"
_HIRSHFELD = "params/observables_2"


@torch.no_grad()
def fill(model: So3krates, tree: ParameterTree) -> None:
    """Put the parameters of SO3LR into a model of its shape.

    Raises:
        CheckpointError: An array is missing or has another shape.
    """
    settings = model.settings
    _fill_embedding(model, tree)
    for number, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        _fill_layer(layer, tree, f"params/layers_{number}", settings)
    head = model.head()
    tree.linear(head.hidden, f"{_ENERGY}/energy_dense_regression")
    tree.linear(head.out, f"{_ENERGY}/energy_dense_final")
    head.scale.copy_(tree.per_row(f"{_ENERGY}/atomic_scales", settings.elements))
    assert head.shift is not None
    head.shift.copy_(tree.per_row(f"{_ENERGY}/energy_offset", settings.elements))
    if model.zbl is not None:
        _fill_zbl(model.zbl, tree)
    if model.long_range is not None:
        _fill_long_range(model.long_range, tree, settings)


def _fill_embedding(model: So3krates, tree: ParameterTree) -> None:
    settings, embedding = model.settings, model.embedding
    name = "params/feature_embeddings_0/Embed_0/embedding"
    embedding.weight.copy_(tree.rows(name, settings.elements, settings.features))
    place = 1
    for electronic in (embedding.charge, embedding.spin):
        if electronic is not None:
            prefix = f"params/feature_embeddings_{place}/ChargeSpinEmbedSparse_0"
            _fill_electronic(electronic, tree, prefix, settings)
            place += 1


def _fill_electronic(
    electronic: ElectronicEmbedding, tree: ParameterTree, prefix: str, settings: So3kratesSettings
) -> None:
    query = tree.rows(f"{prefix}/Embed_0/embedding", settings.elements, settings.features)
    electronic.query.weight.copy_(query)
    for number, table in enumerate((electronic.key, electronic.value), start=1):
        table.weight.copy_(tree.take(f"{prefix}/Embed_{number}/embedding", (2, settings.features)))
    tree.linear(electronic.refine.first, f"{prefix}/Residual_0/layers_0")
    tree.linear(electronic.refine.second, f"{prefix}/Residual_0/layers_1")


def _fill_layer(layer: Layer, tree: ParameterTree, prefix: str, settings: So3kratesSettings) -> None:
    attention = layer.attention
    for number, branch in enumerate((attention.feature, attention.geometric), start=1):
        _fill_coefficients(branch, tree, f"{prefix}/attention_block", number)
        _fill_filter(branch.filter, tree, f"{prefix}/attention_block", number, settings)
    attention.value.weight.copy_(_per_head(tree, f"{prefix}/attention_block/Wv1", attention.value.weight))
    n_degrees = len(settings.degrees)
    mixed = settings.features + n_degrees
    tree.linear(layer.exchange.mix, f"{prefix}/exchange_block/mlp_layer_2", inputs=mixed, outputs=mixed)
    for number, (norm, refine) in enumerate(((layer.norm, layer.refine), (layer.norm_2, layer.refine_2)), start=1):
        if isinstance(norm, nn.LayerNorm):
            tree.norm(norm, f"{prefix}/layer_normalization_{number}")
        if isinstance(refine, ResidualMlp):
            tree.linear(refine.first, f"{prefix}/res_mlp_{number}_layer_1")
            tree.linear(refine.second, f"{prefix}/res_mlp_{number}_layer_2")


def _fill_coefficients(branch: Coefficients, tree: ParameterTree, prefix: str, number: int) -> None:
    branch.query.weight.copy_(_per_head(tree, f"{prefix}/Wq{number}", branch.query.weight))
    branch.key.weight.copy_(_per_head(tree, f"{prefix}/Wk{number}", branch.key.weight))


def _per_head(tree: ParameterTree, name: str, like: torch.Tensor) -> torch.Tensor:
    """Return the matrices of all heads; there they stand left of the features, here right of them."""
    return tree.take(name, tuple(like.shape)).mT


def _fill_filter(target: Filter, tree: ParameterTree, prefix: str, number: int, settings: So3kratesSettings) -> None:
    tree.linear(target.radial_in, f"{prefix}/radial_filter{number}_layer_1")
    tree.linear(target.radial_out, f"{prefix}/radial_filter{number}_layer_2")
    n_degrees, features = len(settings.degrees), settings.features
    name = f"{prefix}/spherical_filter{number}"
    narrow = features // 4
    constant = tree.take(f"{name}_layer_2/bias", (features,))
    if hasattr(target, "spherical_in"):
        tree.linear(target.spherical_in, f"{name}_layer_1", inputs=n_degrees)
        target.spherical_out.weight.copy_(tree.take(f"{name}_layer_2/kernel", (narrow, features)).T)
    else:
        tree.take(f"{name}_layer_1/kernel", (n_degrees, narrow))
        hidden = nn.functional.silu(tree.take(f"{name}_layer_1/bias", (narrow,)))
        constant = constant + hidden @ tree.take(f"{name}_layer_2/kernel", (narrow, features))
    target.radial_out.bias.add_(constant)


def _fill_zbl(zbl: ZblRepulsion, tree: ParameterTree) -> None:
    prefix = f"{_ENERGY}/zbl_repulsion"
    for target, letter in ((zbl.decays, "a"), (zbl.weights, "c")):
        terms = [tree.take(f"{prefix}/{letter}{number}", (1,)) for number in range(1, len(target) + 1)]
        target.copy_(torch.cat(terms))
    zbl.exponent.copy_(tree.take(f"{prefix}/p", (1,)))
    zbl.inverse_length.copy_(tree.take(f"{prefix}/d", (1,)))


def _fill_long_range(long_range: LongRange, tree: ParameterTree, settings: So3kratesSettings) -> None:
    elements = settings.elements
    if long_range.charges is not None:
        tree.linear(long_range.charges.hidden, f"{_CHARGES}/charge_dense_regression_vec")
        tree.linear(long_range.charges.out, f"{_CHARGES}/charge_dense_final_vec")
        long_range.charges.bias.copy_(tree.rows(f"{_CHARGES}/Embed_0/embedding", elements, 1)[:, 0])
    if long_range.hirshfeld is not None:
        hirshfeld = long_range.hirshfeld
        tree.linear(hirshfeld.hidden, f"{_HIRSHFELD}/hirshfeld_ratios_dense_regression")
        tree.linear(hirshfeld.key, f"{_HIRSHFELD}/hirshfeld_ratios_dense_final")
        hirshfeld.bias.copy_(tree.rows(f"{_HIRSHFELD}/Embed_0/embedding", elements, 1)[:, 0])
        hirshfeld.query.weight.copy_(tree.rows(f"{_HIRSHFELD}/Embed_1/embedding", elements, settings.features // 2))


__all__ = ["fill"]
