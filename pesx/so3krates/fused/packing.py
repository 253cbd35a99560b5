"""From a model to the arrays the kernels read: heads padded with zeros to whole vectors, and the transposes of all maps."""

import math
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from pesx.so3krates.attention import Coefficients, HeadLinear
from pesx.so3krates.fused.harmonics import polynomials
from pesx.so3krates.fused.kinds import Kinds
from pesx.so3krates.fused.packing_energies import long_range, readouts, repulsion
from pesx.so3krates.fused.padding import Real, array, pad, spaced
from pesx.so3krates.fused.switches import CUTOFF_CODES
from pesx.so3krates.fused.weights import Shape, Weights
from pesx.so3krates.layer import Layer, ResidualMlp
from pesx.so3krates.model import So3krates
from pesx.so3krates.tabulated import DistanceFunction, tabulate
from pesx.typing import Float, Tensor


def pack(model: So3krates, shape: Shape, kinds: Kinds, *, level: int, dtype: type[np.floating[Any]]) -> Weights:
    """Return all numbers of a model, and of a molecule.

    Args:
        model: In float64, on the CPU.
        shape: Its sizes.
        kinds: Elements of the molecule.
        level: Which energy head.
        dtype: Precision of the result.
    """
    layers = [cast(Layer, layer) for layer in model.layers]
    parts = {
        **_constants(model, shape),
        **_tables(model, layers, shape, kinds),
        **_spherical(layers, shape),
        **_projections(layers, shape),
        **_refinements(layers, shape),
        **_exchange(layers, shape),
        **_components(model, shape),
        **readouts(model, shape, kinds, level),
        **repulsion(model, kinds),
        **long_range(model, kinds),
    }
    return Weights(**{name: _cast(value, dtype) for name, value in parts.items()})


def _cast(value: Any, dtype: type[np.floating[Any]]) -> Any:
    is_real = isinstance(value, np.ndarray) and value.dtype == np.float64
    return np.ascontiguousarray(value, dtype=dtype) if is_real else value


def _branches(layer: Layer) -> tuple[Coefficients, Coefficients]:
    return layer.attention.feature, layer.attention.geometric


def _constants(model: So3krates, shape: Shape) -> dict[str, Any]:
    settings = model.settings
    return {
        "cutoff": float(settings.cutoff),
        "cutoff_code": CUTOFF_CODES[settings.cutoff_function],
        "neighbours": float(settings.mean_neighbours),
        "epsilon": float(settings.layer_norm_epsilon),
        "is_feature": pad(np.ones((1, shape.features)), shape.features_room),
    }


def _tables(model: So3krates, layers: list[Layer], shape: Shape, kinds: Kinds) -> dict[str, Any]:
    """Tabulate the first layer's coefficients for each pair of elements, and the other layers' filters, on one grid."""
    first, *others = [_radial_filters(model, layer) for layer in layers]
    products = _element_products(layers[0], kinds.features)

    def everything(distance: Float[Tensor, "P"]) -> Float[Tensor, "P C"]:
        columns = [torch.einsum("pf,fc->pc", first(distance), products), *[filters(distance) for filters in others]]
        return torch.cat(columns, dim=1)

    table = tabulate(everything, model.settings.cutoff)
    n_elements, features = kinds.features.shape
    cells, n_scores = len(table.coefficients), shape.n_heads + shape.n_degrees
    split = n_elements**2 * n_scores
    scores = table.coefficients[:, :split].reshape(cells, n_elements, n_elements, n_scores)
    heads, degrees = np.split(scores, [shape.n_heads], axis=3)
    both = np.concatenate([part for s in (heads, degrees) for part in (s, s.transpose(0, 2, 1, 3))], axis=3)
    both = both.transpose(1, 2, 0, 3).reshape(n_elements**2, cells, -1)
    filters = table.coefficients[:, split:].reshape(cells, -1, 2, features)
    radial = np.concatenate(
        [
            spaced(filters[:, :, 0], shape.head, shape.head_room),
            spaced(filters[:, :, 1], shape.degree_head, shape.degree_head_room),
        ],
        axis=2,
    )
    return {
        "cells": table.n_cells,
        "per_spacing": 1.0 / table.spacing,
        "first_table": pad(both, shape.coefficients_room),
        "radial_table": radial.transpose(1, 0, 2),
        "first_values": pad(_first_values(layers[0], kinds.features, shape), shape.projections),
        "first_features": pad(array(kinds.features), shape.row),
    }


def _radial_filters(model: So3krates, layer: Layer) -> DistanceFunction:
    def filters(distance: Float[Tensor, "P"]) -> Float[Tensor, "P F2"]:
        radial = model.basis(distance)
        own = [branch.filter for branch in _branches(layer)]
        return torch.cat([f.radial_out(nn.functional.silu(f.radial_in(radial))) for f in own], dim=1)

    return filters


def _element_products(layer: Layer, embedding: Tensor) -> Float[Tensor, "F2 C"]:
    """Return the map from both filters of a pair to the coefficients of all pairs of elements, (receiver, giver, head)."""
    features, blocks = embedding.shape[1], []
    for number, branch in enumerate(_branches(layer)):
        n_heads, size = branch.heads
        product = branch.query(embedding)[:, None] * branch.key(embedding)[None]
        block = product.new_zeros(*product.shape[:2], 2 * features, n_heads)
        for head in range(n_heads):
            at = slice(head * size, (head + 1) * size)
            block[:, :, number * features + head * size : number * features + (head + 1) * size, head] = product[
                :, :, at
            ]
        blocks.append(block)
    columns = torch.cat(blocks, dim=3)
    return columns.permute(2, 0, 1, 3).reshape(2 * features, -1).detach()


def _first_values(layer: Layer, embedding: Tensor, shape: Shape) -> Real:
    """Return the values of each element in the first layer, in the columns where projections have them."""
    values = array(layer.attention.value(embedding)).reshape(len(embedding), shape.n_heads, shape.head)
    rows = np.zeros((len(embedding), shape.n_heads, 3, shape.head_room))
    rows[:, :, 2, : shape.head] = values
    return rows.reshape(len(embedding), -1)


def _spherical(layers: list[Layer], shape: Shape) -> dict[str, Real]:
    rows = max(shape.n_layers - 1, 1)  # An array that nobody reads must have an address too.
    into = np.zeros((rows, shape.n_degrees, 2 * shape.narrow_room))
    bias = np.zeros((rows, 2 * shape.narrow_room))
    out = np.zeros((rows, shape.narrow, shape.filters))
    back = np.zeros((rows, shape.filters, shape.narrow_room))
    rooms = (
        (shape.head, shape.head_room, 0),
        (shape.degree_head, shape.degree_head_room, shape.n_heads * shape.head_room),
    )
    for number, layer in enumerate(layers[1:]):
        for side, (branch, (size, room, start)) in enumerate(zip(_branches(layer), rooms, strict=True)):
            columns = slice(side * shape.narrow_room, side * shape.narrow_room + shape.narrow)
            into[number, :, columns] = array(branch.filter.spherical_in.weight).T[: shape.n_degrees]
            bias[number, columns] = array(branch.filter.spherical_in.bias)
            weight = spaced(array(branch.filter.spherical_out.weight).T, size, room)
            out[number, :, start : start + weight.shape[1]] = weight
            back[number, start : start + weight.shape[1], : shape.narrow] = weight.T
    return {"spherical_in": into, "spherical_bias": bias, "spherical_out": out, "spherical_back": back}


def _projections(layers: list[Layer], shape: Shape) -> dict[str, Real]:
    heads: list[Real] = []
    degrees: list[Real] = []
    heads_back: list[Real] = []
    degrees_back: list[Real] = []
    for layer in layers[1:] or layers:  # The first has tables instead, but arrays must not be empty.
        feature, geometric = _branches(layer)
        of_heads: list[HeadLinear] = [feature.query, feature.key, layer.attention.value]
        of_degrees: list[HeadLinear] = [geometric.query, geometric.key]
        for maps, room, forth, back in (
            (of_heads, shape.head_room, heads, heads_back),
            (of_degrees, shape.degree_head_room, degrees, degrees_back),
        ):
            weights = np.stack([pad(array(linear.weight), room) for linear in maps])
            forth.append(weights.transpose(1, 2, 0, 3).reshape(shape.features, -1))
            turned = np.stack([pad(array(linear.weight).transpose(0, 2, 1), room) for linear in maps])
            back.append(turned.reshape(len(maps) * shape.features, room))
    return {
        "project_heads": np.stack(heads),
        "project_degrees": np.stack(degrees),
        "heads_back": np.stack(heads_back),
        "degrees_back": np.stack(degrees_back),
    }


def _refinements(layers: list[Layer], shape: Shape) -> dict[str, Real]:
    """Return residual networks and norms, two places for each per layer; unused ones are zero."""
    size, room = shape.features, shape.features_room
    refine = np.zeros((2 * len(layers), 2 * size, room))
    back, bias, norm = np.zeros_like(refine), np.zeros((2 * len(layers), 2, room)), np.zeros((2 * len(layers), 2, room))
    for number, layer in enumerate(layers):
        for place, (network, scaling) in enumerate(((layer.refine, layer.norm), (layer.refine_2, layer.norm_2))):
            at = 2 * number + place
            if isinstance(network, ResidualMlp):
                maps = (network.first, network.second)
                refine[at] = pad(np.vstack([array(linear.weight).T for linear in maps]), room)
                back[at] = pad(np.vstack([array(linear.weight) for linear in maps]), room)
                bias[at] = pad(np.stack([array(linear.bias) for linear in maps]), room)
            if isinstance(scaling, nn.LayerNorm):
                norm[at] = pad(np.stack([array(scaling.weight), array(scaling.bias)]), room)
    return {"refine": refine, "refine_bias": bias, "refine_back": back, "norm": norm}


def _exchange(layers: list[Layer], shape: Shape) -> dict[str, Real]:
    """Return the exchange with the identity added, so that it gives new features and the factor of each degree."""
    # The model's map has a few more degrees, always zero, for the sake of alignment.
    used, room = shape.features + shape.n_degrees, shape.mixed_room
    ones = np.diag(np.repeat([1.0, 0.0], [shape.features, shape.n_degrees]))
    weights = [array(layer.exchange.mix.weight)[:used, :used] + ones for layer in layers]
    one = np.repeat([0.0, 1.0], [shape.features, shape.n_degrees])
    biases = [array(layer.exchange.mix.bias)[:used] + one for layer in layers]
    return {
        "mix": np.stack([pad(weight.T, room) for weight in weights]),
        "mix_back": np.stack([pad(weight, room) for weight in weights]),
        "mix_bias": pad(np.stack(biases), room),
    }


def _components(model: So3krates, shape: Shape) -> dict[str, Any]:
    """Return which components belong to which degree, and the harmonics as polynomials."""
    degrees, room = model.settings.degrees, shape.components_room
    owner = np.repeat(np.arange(len(degrees)), [2 * degree + 1 for degree in degrees])
    member = (owner == np.arange(len(degrees))[:, None]).astype(float)
    parity = np.array([(-1.0) ** degree for degree in degrees])[:, None]
    made = polynomials(degrees)
    return {
        "of_degree": pad(member, room),
        "of_degree_back": pad(member * parity, room),
        "root": np.array([1.0 / math.sqrt(2 * degree + 1) for degree in degrees]),
        "polynomials": pad(made.values, room),
        "slopes": pad(made.slopes, room).reshape(-1, room),
        "n_monomials": len(made.parent),
        "parent": made.parent,
        "axis": made.axis,
    }


__all__ = ["pack"]
