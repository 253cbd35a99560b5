"""Kernels within atoms: projections, norms, residual networks and exchange, and the way back through each."""

import math
from typing import Any

from pesx.so3krates.fused.matrix import add_product, clear
from pesx.so3krates.fused.vectors import apart, compiled, fma, lanes_of, load, sigmoid, spread, store, total
from pesx.so3krates.fused.views import shifted
from pesx.so3krates.fused.weights import Shape, Weights
from pesx.so3krates.fused.workspace import Workspace


@compiled
def silu_slope(x: Any, one: Any) -> Any:
    """Return the derivative of x sigmoid(x), of each lane."""
    share = sigmoid(x)
    return share * fma(x, one - share, one)


@compiled
def project(shape: Shape, weights: Weights, work: Workspace, layer: int) -> None:
    """Make queries, keys and values of all atoms, head by head."""
    apart()
    out, n_atoms = work.projections[layer], work.n_atoms
    clear(out, n_atoms, shape.projections)
    width = 3 * shape.head_room
    right = weights.project_heads[layer - 1]
    for head in range(shape.n_heads):
        first = head * shape.head
        add_product(
            shifted(work.x, 0, first),
            shape.head,
            shifted(right, first, 0),
            shifted(out, 0, head * width),
            n_atoms,
            width,
        )
    start, width = shape.n_heads * width, 2 * shape.degree_head_room
    right = weights.project_degrees[layer - 1]
    for degree in range(shape.n_degrees):
        first = degree * shape.degree_head
        add_product(
            shifted(work.x, 0, first),
            shape.degree_head,
            shifted(right, first, 0),
            shifted(out, 0, start + degree * width),
            n_atoms,
            width,
        )


@compiled
def project_back(shape: Shape, weights: Weights, work: Workspace, layer: int) -> None:
    """Add to the derivatives of features what comes through queries, keys and values."""
    apart()
    left, out, n_atoms = work.d_projections, work.d_x, work.n_atoms
    size, room = shape.head, shape.head_room
    right = weights.heads_back[layer - 1]
    for head in range(shape.n_heads):
        for role in range(3):
            column, row = (3 * head + role) * room, role * shape.features + head * size
            add_product(
                shifted(left, 0, column), size, shifted(right, row, 0), shifted(out, 0, head * size), n_atoms, room
            )
    start = 3 * shape.n_heads * room
    size, room = shape.degree_head, shape.degree_head_room
    right = weights.degrees_back[layer - 1]
    for degree in range(shape.n_degrees):
        for role in range(2):
            column, row = start + (2 * degree + role) * room, role * shape.features + degree * size
            add_product(
                shifted(left, 0, column), size, shifted(right, row, 0), shifted(out, 0, degree * size), n_atoms, room
            )


@compiled
def take_message(shape: Shape, work: Workspace) -> None:
    """Add the message of each atom to its features. Heads overlap only with the zeros behind the one before."""
    apart()
    lanes = lanes_of(work.x)
    for atom in range(work.n_atoms):
        for head in range(shape.n_heads):
            for column in range(0, shape.head_room, lanes):
                at = head * shape.head + column
                message = load(work.message, atom, head * shape.head_room + column)
                store(work.x, atom, at, load(work.x, atom, at) + message)


@compiled
def spread_gradient(shape: Shape, work: Workspace) -> None:
    """Write the derivatives of features into the columns of messages; behind each head stands what does not matter."""
    apart()
    lanes = lanes_of(work.x)
    for atom in range(work.n_atoms):
        for head in range(shape.n_heads):
            for column in range(0, shape.head_room, lanes):
                value = load(work.d_x, atom, head * shape.head + column)
                store(work.message, atom, head * shape.head_room + column, value)


@compiled
def normalise(shape: Shape, weights: Weights, work: Workspace, place: int) -> None:
    """Give the features of each atom mean 0 and width 1, then scale and shift them."""
    apart()
    normal, norm, lanes = work.normal[place], weights.norm[place], lanes_of(work.x)
    share = 1.0 / shape.features
    for atom in range(work.n_atoms):
        for column in range(shape.features, shape.row):
            work.x[atom, column] = 0.0
        sums = spread(work.x, 0.0)
        for column in range(0, shape.features_room, lanes):
            sums = sums + load(work.x, atom, column)
        mean, squares = spread(work.x, total(sums) * share), spread(work.x, 0.0)
        for column in range(0, shape.features_room, lanes):
            rest = (load(work.x, atom, column) - mean) * load(weights.is_feature, 0, column)
            store(normal, atom, column, rest)
            squares = fma(rest, rest, squares)
        work.inverse_width[place, atom] = 1.0 / math.sqrt(total(squares) * share + weights.epsilon)
        for column in range(0, shape.features_room, lanes):
            value = load(normal, atom, column) * spread(work.x, work.inverse_width[place, atom])
            store(normal, atom, column, value)
            store(work.x, atom, column, fma(value, load(norm, 0, column), load(norm, 1, column)))


@compiled
def normalise_back(shape: Shape, weights: Weights, work: Workspace, place: int) -> None:
    """Take the derivatives of features back through a norm."""
    apart()
    normal, norm, lanes = work.normal[place], weights.norm[place], lanes_of(work.x)
    share = 1.0 / shape.features
    for atom in range(work.n_atoms):
        sums, products = spread(work.x, 0.0), spread(work.x, 0.0)
        for column in range(0, shape.features_room, lanes):
            value = load(work.d_x, atom, column) * load(norm, 0, column)
            sums = sums + value
            products = fma(value, load(normal, atom, column), products)
        mean, slope = spread(work.x, total(sums) * share), spread(work.x, total(products) * share)
        inverse = spread(work.x, work.inverse_width[place, atom])
        for column in range(0, shape.features_room, lanes):
            value = load(work.d_x, atom, column) * load(norm, 0, column)
            rest = value - mean - load(normal, atom, column) * slope
            store(work.d_x, atom, column, rest * inverse * load(weights.is_feature, 0, column))


@compiled
def refine(shape: Shape, weights: Weights, work: Workspace, place: int) -> None:
    """Add a residual network to the features."""
    apart()
    entered, hidden, bias = work.entered[place], work.hidden[place], weights.refine_bias[place]
    lanes, n_atoms, size, room = lanes_of(work.x), work.n_atoms, shape.features, shape.features_room
    for atom in range(n_atoms):
        for column in range(0, room, lanes):
            value = load(work.x, atom, column)
            store(entered, atom, column, value)
            store(work.act, atom, column, value * sigmoid(value))
            store(hidden, atom, column, load(bias, 0, column))
    add_product(work.act, size, weights.refine[place], hidden, n_atoms, room)
    for atom in range(n_atoms):
        for column in range(0, room, lanes):
            value = load(hidden, atom, column)
            store(work.act, atom, column, value * sigmoid(value))
            store(work.x, atom, column, load(work.x, atom, column) + load(bias, 1, column))
    add_product(work.act, size, shifted(weights.refine[place], size, 0), work.x, n_atoms, room)


@compiled
def refine_back(shape: Shape, weights: Weights, work: Workspace, place: int) -> None:
    """Take the derivatives of features back through a residual network."""
    apart()
    entered, hidden, back = work.entered[place], work.hidden[place], weights.refine_back[place]
    lanes, n_atoms, size, room = lanes_of(work.x), work.n_atoms, shape.features, shape.features_room
    one = spread(work.x, 1.0)
    clear(work.act, n_atoms, room)
    clear(work.d_y, n_atoms, room)
    add_product(work.d_x, size, shifted(back, size, 0), work.act, n_atoms, room)
    for atom in range(n_atoms):
        for column in range(0, room, lanes):
            value = load(work.act, atom, column) * silu_slope(load(hidden, atom, column), one)
            store(work.act, atom, column, value)
    add_product(work.act, size, back, work.d_y, n_atoms, room)
    for atom in range(n_atoms):
        for column in range(0, room, lanes):
            slope = silu_slope(load(entered, atom, column), one)
            value = fma(load(work.d_y, atom, column), slope, load(work.d_x, atom, column))
            store(work.d_x, atom, column, value)


@compiled
def exchange(shape: Shape, weights: Weights, work: Workspace, layer: int) -> None:
    """Mix features and the invariants of Euclidean variables; write both variables as the next layer finds them."""
    apart()
    turned, following, factor = work.turned[layer], work.chi[layer + 1], work.factor[layer]
    lanes, n_atoms, size = lanes_of(work.x), work.n_atoms, shape.features
    for atom in range(n_atoms):
        for degree in range(shape.n_degrees):
            squares = spread(work.x, 0.0)
            for column in range(0, shape.components_room, lanes):
                value = load(turned, atom, column)
                squares = fma(value * value, load(weights.of_degree, degree, column), squares)
            work.x[atom, size + degree] = total(squares) * weights.root[degree]
        for column in range(0, shape.mixed_room, lanes):
            store(work.y, atom, column, load(weights.mix_bias, layer, column))
    inner = size + shape.n_degrees
    add_product(work.x, inner, weights.mix[layer], work.y, n_atoms, shape.mixed_room)
    for atom in range(n_atoms):
        for column in range(0, shape.mixed_room, lanes):
            store(work.x, atom, column, load(work.y, atom, column))
        for degree in range(shape.n_degrees):
            factor[atom, degree] = work.y[atom, size + degree]
        for column in range(0, shape.components_room, lanes):
            scale = spread(work.x, 0.0)
            for degree in range(shape.n_degrees):
                scale = fma(spread(work.x, factor[atom, degree]), load(weights.of_degree, degree, column), scale)
            store(following, atom, column, scale * load(turned, atom, column))


@compiled
def exchange_back(shape: Shape, weights: Weights, work: Workspace, layer: int) -> None:
    """Take the derivatives of both variables back through the exchange."""
    apart()
    turned, factor, size = work.turned[layer], work.factor[layer], shape.features
    lanes, n_atoms = lanes_of(work.x), work.n_atoms
    for atom in range(n_atoms):
        for degree in range(shape.n_degrees):
            products = spread(work.x, 0.0)
            for column in range(0, shape.components_room, lanes):
                value = load(work.d_chi, atom, column) * load(turned, atom, column)
                products = fma(value, load(weights.of_degree, degree, column), products)
            work.d_x[atom, size + degree] = total(products)
        for column in range(0, shape.mixed_room, lanes):
            store(work.d_y, atom, column, spread(work.x, 0.0))
    inner = size + shape.n_degrees
    add_product(work.d_x, inner, weights.mix_back[layer], work.d_y, n_atoms, shape.mixed_room)
    for atom in range(n_atoms):
        for column in range(0, shape.components_room, lanes):
            scale, pull = spread(work.x, 0.0), spread(work.x, 0.0)
            for degree in range(shape.n_degrees):
                mask = load(weights.of_degree, degree, column)
                scale = fma(spread(work.x, factor[atom, degree]), mask, scale)
                pull = fma(spread(work.x, 2.0 * weights.root[degree] * work.d_y[atom, size + degree]), mask, pull)
            value = scale * load(work.d_chi, atom, column)
            store(work.d_chi, atom, column, fma(pull, load(turned, atom, column), value))
        for column in range(0, shape.features_room, lanes):
            store(work.d_x, atom, column, load(work.d_y, atom, column))
        for column in range(size, shape.row):
            work.d_x[atom, column] = 0.0


__all__ = [
    "exchange",
    "exchange_back",
    "normalise",
    "normalise_back",
    "project",
    "project_back",
    "refine",
    "refine_back",
    "silu_slope",
    "spread_gradient",
    "take_message",
]
