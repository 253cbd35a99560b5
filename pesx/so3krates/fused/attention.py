"""Kernels of the attention of one layer: filters of a block of pairs, coefficients, and what atoms take over."""

from pesx.so3krates.fused.matrix import add_product, clear, copy_rows
from pesx.so3krates.fused.vectors import apart, compiled, fma, lanes_of, load, merged, sigmoid, spread, store, total
from pesx.so3krates.fused.views import shifted
from pesx.so3krates.fused.weights import Array, Shape, Weights
from pesx.so3krates.fused.workspace import BLOCK, Workspace
from pesx.so3krates.tabulated import DEGREE


@compiled
def attend(shape: Shape, weights: Weights, work: Workspace, layer: int, n_pairs: int) -> None:
    """Fill the messages of all atoms and turn their Euclidean variables; coefficients are kept for the way back.

    In the first layer coefficients come from a table.
    """
    apart()
    clear(work.message, work.n_atoms, shape.n_heads * shape.head_room)
    copy_rows(work.chi[layer], work.turned[layer], work.n_atoms, shape.components_room)
    projections, coefficients, turned = work.projections[layer], work.coefficients[layer], work.turned[layer]
    room, degree_room = shape.head_room, shape.degree_head_room
    degree_queries = shifted(projections, 0, 3 * shape.n_heads * room)
    for begin in range(0, n_pairs, BLOCK):
        count = min(BLOCK, n_pairs - begin)
        if layer > 0:
            make_filters(shape, weights, work, layer, begin, count)
        for row in range(count):
            pair = begin + row
            i, j = work.pair[pair, 0], work.pair[pair, 1]
            if layer > 0:
                filters, out = shifted(work.filters, row, 0), shifted(coefficients, pair, 0)
                score(projections, 3 * room, room, shape.n_heads, filters, i, j, out)
                filters, out = shifted(filters, 0, shape.n_heads * room), shifted(out, 0, 2 * shape.n_heads)
                score(degree_queries, 2 * degree_room, degree_room, shape.n_degrees, filters, i, j, out)
            send(shape, work, projections, coefficients, pair, i, j)
            turn(shape, weights, work, turned, coefficients, pair, i, j)


@compiled
def make_filters(shape: Shape, weights: Weights, work: Workspace, layer: int, begin: int, count: int) -> None:
    """Evaluate the filters of a block of pairs, and the slopes of their radial parts."""
    apart()
    lanes = lanes_of(work.x)
    table = weights.radial_table[layer - 1]
    for row in range(count):
        interpolate(table, work, begin + row, work.filters, row, work.slopes, row, shape.filters)
    compare(shape, weights, work, layer, begin, count)
    n = 2 * shape.narrow_room
    into, bias = weights.spherical_in[layer - 1], weights.spherical_bias
    for row in range(count):
        for column in range(0, n, lanes):
            value = load(bias, layer - 1, column)
            for degree in range(shape.n_degrees):
                value = fma(spread(into, work.invariants[row, degree]), load(into, degree, column), value)
            store(work.entering, row, column, value)
            store(work.spherical, row, column, value * sigmoid(value))
    out, middle = weights.spherical_out[layer - 1], shape.n_heads * shape.head_room
    add_product(work.spherical, shape.narrow, out, work.filters, count, middle)
    rest = shape.filters - middle
    add_product(
        shifted(work.spherical, 0, shape.narrow_room),
        shape.narrow,
        shifted(out, 0, middle),
        shifted(work.filters, 0, middle),
        count,
        rest,
    )


@compiled
def interpolate(
    table: Array, work: Workspace, pair: int, values: Array, row: int, slopes: Array, slope_row: int, width: int
) -> None:
    """Evaluate splines and their slopes at the distance of a pair, into rows of two matrices."""
    lanes, cell = lanes_of(table), work.cell[pair]
    ours, theirs = work.splines[0][pair], work.splines[1][pair]
    a0, a1, a2 = spread(table, ours[0]), spread(table, ours[1]), spread(table, ours[2])
    a3, a4, a5 = spread(table, ours[3]), spread(table, ours[4]), spread(table, ours[5])
    b0, b1, b2 = spread(table, theirs[0]), spread(table, theirs[1]), spread(table, theirs[2])
    b3, b4, b5 = spread(table, theirs[3]), spread(table, theirs[4]), spread(table, theirs[5])
    for column in range(0, width, lanes):
        c = load(table, cell, column)
        value, slope = a0 * c, b0 * c
        c = load(table, cell + 1, column)
        value, slope = fma(a1, c, value), fma(b1, c, slope)
        c = load(table, cell + 2, column)
        value, slope = fma(a2, c, value), fma(b2, c, slope)
        c = load(table, cell + 3, column)
        value, slope = fma(a3, c, value), fma(b3, c, slope)
        c = load(table, cell + 4, column)
        value, slope = fma(a4, c, value), fma(b4, c, slope)
        c = load(table, cell + DEGREE, column)
        value, slope = fma(a5, c, value), fma(b5, c, slope)
        store(values, row, column, value)
        store(slopes, slope_row, column, slope)


@merged
def compare(shape: Shape, weights: Weights, work: Workspace, layer: int, begin: int, count: int) -> None:
    """Evaluate the invariants of how the Euclidean variables of a block of pairs differ."""
    chi, lanes = work.chi[layer], lanes_of(work.x)
    for row in range(count):
        i, j = work.pair[begin + row, 0], work.pair[begin + row, 1]
        for degree in range(shape.n_degrees):
            squares = spread(chi, 0.0)
            for column in range(0, shape.components_room, lanes):
                difference = load(chi, j, column) - load(chi, i, column)
                squares = fma(difference * difference, load(weights.of_degree, degree, column), squares)
            work.invariants[row, degree] = total(squares) * weights.root[degree]


@compiled
def score(queries: Array, block: int, room: int, n_heads: int, filters: Array, i: int, j: int, out: Array) -> None:
    """Write the coefficients of a pair, of one branch: of all heads from i to j, then from j to i.

    Args:
        queries: Of all atoms; query and key of a head stand side by side.
        block: Columns from one head to the next.
        room: Columns of a query or a key.
        n_heads: Of the branch.
        filters: Of the pair: the first row.
        i: Atom.
        j: Atom.
        out: The first row is written.
    """
    lanes = lanes_of(queries)
    for head in range(n_heads):
        there, back = spread(queries, 0.0), spread(queries, 0.0)
        for column in range(0, room, lanes):
            weight = load(filters, 0, head * room + column)
            query, key = head * block + column, head * block + room + column
            there = fma(load(queries, i, query) * weight, load(queries, j, key), there)
            back = fma(load(queries, j, query) * weight, load(queries, i, key), back)
        out[0, head] = total(there)
        out[0, n_heads + head] = total(back)


@merged
def send(shape: Shape, work: Workspace, projections: Array, coefficients: Array, pair: int, i: int, j: int) -> None:
    """Add the values of both atoms of a pair, times the coefficients, to the messages of each other."""
    lanes, room = lanes_of(projections), shape.head_room
    gate, message = work.gate[pair], work.message
    for head in range(shape.n_heads):
        there = spread(message, gate * coefficients[pair, head])
        back = spread(message, gate * coefficients[pair, shape.n_heads + head])
        at, values_at = head * room, (3 * head + 2) * room
        for column in range(0, room, lanes):
            value = load(projections, j, values_at + column)
            store(message, i, at + column, fma(there, value, load(message, i, at + column)))
            value = load(projections, i, values_at + column)
            store(message, j, at + column, fma(back, value, load(message, j, at + column)))


@merged
def turn(
    shape: Shape, weights: Weights, work: Workspace, turned: Array, coefficients: Array, pair: int, i: int, j: int
) -> None:
    """Add the harmonics of a pair, times the coefficients, to the Euclidean variables of both atoms."""
    lanes, start = lanes_of(turned), 2 * shape.n_heads
    gate = work.gate[pair]
    for column in range(0, shape.components_room, lanes):
        there, back = spread(turned, 0.0), spread(turned, 0.0)
        for degree in range(shape.n_degrees):
            number = spread(turned, gate * coefficients[pair, start + degree])
            there = fma(number, load(weights.of_degree, degree, column), there)
            number = spread(turned, gate * coefficients[pair, start + shape.n_degrees + degree])
            back = fma(number, load(weights.of_degree_back, degree, column), back)
        harmonics = load(work.harmonics, pair, column)
        store(turned, i, column, fma(there, harmonics, load(turned, i, column)))
        store(turned, j, column, fma(back, harmonics, load(turned, j, column)))


@compiled
def look_up(shape: Shape, weights: Weights, work: Workspace, element: Array, n_pairs: int) -> None:
    """Fill the coefficients of the first layer, and the values of its atoms, from the tables of elements."""
    n_elements, coefficients = shape.n_elements, work.coefficients[0]
    for pair in range(n_pairs):
        cell = element[work.pair[pair, 0]] * n_elements + element[work.pair[pair, 1]]
        slopes, width = work.coefficient_slopes, shape.coefficients_room
        interpolate(weights.first_table[cell], work, pair, coefficients, pair, slopes, pair, width)
    for atom in range(work.n_atoms):
        for column in range(shape.row):
            work.x[atom, column] = weights.first_features[element[atom], column]
        for column in range(shape.projections):
            work.projections[0, atom, column] = weights.first_values[element[atom], column]


__all__ = ["attend", "interpolate", "look_up", "make_filters"]
