"""Kernels of the way back through the attention of one layer; filters are made again rather than kept."""

from pesx.so3krates.fused.atoms import silu_slope
from pesx.so3krates.fused.attention import make_filters
from pesx.so3krates.fused.matrix import add_product, clear
from pesx.so3krates.fused.vectors import apart, compiled, fma, lanes_of, load, merged, spread, store, total
from pesx.so3krates.fused.views import shifted
from pesx.so3krates.fused.weights import Array, Shape, Weights
from pesx.so3krates.fused.workspace import BLOCK, Workspace


@compiled
def attend_back(shape: Shape, weights: Weights, work: Workspace, layer: int, n_pairs: int) -> None:
    """Take derivatives back through the attention: to projections, Euclidean variables, and the numbers of pairs.

    Needs the derivatives of messages in ``message`` and those of turned Euclidean variables in ``turned``, which
    ``d_chi`` holds too and receives more.
    """
    apart()
    clear(work.d_projections, work.n_atoms, shape.projections)
    for begin in range(0, n_pairs, BLOCK):
        count = min(BLOCK, n_pairs - begin)
        if layer > 0:
            make_filters(shape, weights, work, layer, begin, count)
        for row in range(count):
            pair = begin + row
            i, j = work.pair[pair, 0], work.pair[pair, 1]
            send_back(shape, work, layer, pair, i, j)
            turn_back(shape, weights, work, layer, pair, i, j)
            if layer > 0:
                both_scores_back(shape, work, layer, row, pair, i, j)
            else:
                look_up_back(shape, work, pair)
        if layer > 0:
            compare_back(shape, weights, work, layer, begin, count)


@merged
def both_scores_back(shape: Shape, work: Workspace, layer: int, row: int, pair: int, i: int, j: int) -> None:
    """Take derivatives of the coefficients of a pair back, in both branches."""
    queries, out, change = work.projections[layer], work.d_projections, work.d_coefficients
    filters, slopes, made = shifted(work.filters, row, 0), shifted(work.slopes, row, 0), shifted(work.d_filters, row, 0)
    room, n_heads = shape.head_room, shape.n_heads
    stretch = score_back(queries, 3 * room, room, n_heads, filters, slopes, i, j, change, out, made)
    queries, out = shifted(queries, 0, 3 * n_heads * room), shifted(out, 0, 3 * n_heads * room)
    filters, slopes = shifted(filters, 0, n_heads * room), shifted(slopes, 0, n_heads * room)
    change, made = shifted(change, 0, 2 * n_heads), shifted(made, 0, n_heads * room)
    room, n_heads = shape.degree_head_room, shape.n_degrees
    stretch += score_back(queries, 2 * room, room, n_heads, filters, slopes, i, j, change, out, made)
    work.d_distance[pair] += stretch


@merged
def send_back(shape: Shape, work: Workspace, layer: int, pair: int, i: int, j: int) -> None:
    """Take derivatives of messages back to coefficients and values; those of the first layer's values are not needed."""
    projections, coefficients, message = work.projections[layer], work.coefficients[layer], work.message
    lanes, room, gate = lanes_of(message), shape.head_room, work.gate[pair]
    out, change = work.d_projections, work.d_coefficients
    d_gate = work.d_gate[pair]
    for head in range(shape.n_heads):
        at, values_at = head * room, (3 * head + 2) * room
        there, back = spread(message, 0.0), spread(message, 0.0)
        for column in range(0, room, lanes):
            there = fma(load(message, i, at + column), load(projections, j, values_at + column), there)
            back = fma(load(message, j, at + column), load(projections, i, values_at + column), back)
        ours, theirs = total(there), total(back)
        own, other = coefficients[pair, head], coefficients[pair, shape.n_heads + head]
        d_gate += own * ours + other * theirs
        change[0, head] = gate * ours
        change[0, shape.n_heads + head] = gate * theirs
        if layer > 0:
            there, back = spread(message, gate * own), spread(message, gate * other)
            for column in range(0, room, lanes):
                place = values_at + column
                store(out, j, place, fma(there, load(message, i, at + column), load(out, j, place)))
                store(out, i, place, fma(back, load(message, j, at + column), load(out, i, place)))
    work.d_gate[pair] = d_gate


@merged
def turn_back(shape: Shape, weights: Weights, work: Workspace, layer: int, pair: int, i: int, j: int) -> None:
    """Take derivatives of turned Euclidean variables back to coefficients and harmonics."""
    wanted, coefficients, change = work.turned[layer], work.coefficients[layer], work.d_coefficients
    lanes, start, gate = lanes_of(wanted), 2 * shape.n_heads, work.gate[pair]
    d_gate = work.d_gate[pair]
    for degree in range(shape.n_degrees):
        own, other = start + degree, start + shape.n_degrees + degree
        there, back = spread(wanted, 0.0), spread(wanted, 0.0)
        ours = spread(wanted, gate * coefficients[pair, own])
        theirs = spread(wanted, gate * coefficients[pair, other])
        for column in range(0, shape.components_room, lanes):
            harmonics = load(work.harmonics, pair, column)
            at_i = load(wanted, i, column) * load(weights.of_degree, degree, column)
            at_j = load(wanted, j, column) * load(weights.of_degree_back, degree, column)
            there, back = fma(at_i, harmonics, there), fma(at_j, harmonics, back)
            change_of_harmonics = fma(theirs, at_j, load(work.d_harmonics, pair, column))
            store(work.d_harmonics, pair, column, fma(ours, at_i, change_of_harmonics))
        d_there, d_back = total(there), total(back)
        d_gate += coefficients[pair, own] * d_there + coefficients[pair, other] * d_back
        change[0, own] = gate * d_there
        change[0, other] = gate * d_back
    work.d_gate[pair] = d_gate


@merged
def look_up_back(shape: Shape, work: Workspace, pair: int) -> None:
    """Take derivatives of the first layer's coefficients back to the distance."""
    change, lanes = work.d_coefficients, lanes_of(work.d_coefficients)
    sums = spread(change, 0.0)
    for column in range(0, shape.coefficients_room, lanes):
        sums = fma(load(change, 0, column), load(work.coefficient_slopes, pair, column), sums)
    work.d_distance[pair] += total(sums)


@compiled
def score_back(
    queries: Array,
    block: int,
    room: int,
    n_heads: int,
    filters: Array,
    slopes: Array,
    i: int,
    j: int,
    change: Array,
    d_queries: Array,
    d_filters: Array,
) -> float:
    """Take derivatives of the coefficients of one branch back to queries, keys and filters; return that of the distance.

    Args:
        queries: As for :func:`pesx.so3krates.fused.attention.score`, as all up to ``j``.
        block: Columns from one head to the next.
        room: Columns of a query or a key.
        n_heads: Of the branch.
        filters: Of the pair.
        slopes: Derivatives of the radial part of filters.
        i: Atom.
        j: Atom.
        change: Derivatives of coefficients: the first row.
        d_queries: Added to.
        d_filters: The first row is written.
    """
    lanes, sums = lanes_of(queries), spread(queries, 0.0)
    for head in range(n_heads):
        there, back = spread(queries, change[0, head]), spread(queries, change[0, n_heads + head])
        for column in range(0, room, lanes):
            query, key, place = head * block + column, head * block + room + column, head * room + column
            query_i, key_i = load(queries, i, query), load(queries, i, key)
            query_j, key_j = load(queries, j, query), load(queries, j, key)
            both = fma(there, query_i * key_j, back * query_j * key_i)
            store(d_filters, 0, place, both)
            sums = fma(both, load(slopes, 0, place), sums)
            weight = load(filters, 0, place)
            ours, theirs = there * weight, back * weight
            store(d_queries, i, query, fma(ours, key_j, load(d_queries, i, query)))
            store(d_queries, j, key, fma(ours, query_i, load(d_queries, j, key)))
            store(d_queries, j, query, fma(theirs, key_i, load(d_queries, j, query)))
            store(d_queries, i, key, fma(theirs, query_j, load(d_queries, i, key)))
    return float(total(sums))


@compiled
def compare_back(shape: Shape, weights: Weights, work: Workspace, layer: int, begin: int, count: int) -> None:
    """Take derivatives of filters back to the Euclidean variables of a block of pairs."""
    entering, change, back = work.entering, work.spherical, weights.spherical_back[layer - 1]
    into, chi, lanes = weights.spherical_in[layer - 1], work.chi[layer], lanes_of(work.x)
    one = spread(change, 1.0)
    clear(change, count, 2 * shape.narrow_room)
    for head in range(shape.n_heads):
        at = head * shape.head_room
        add_product(shifted(work.d_filters, 0, at), shape.head, shifted(back, at, 0), change, count, shape.narrow_room)
    start, width = shape.n_heads * shape.head_room, shape.narrow_room
    for degree in range(shape.n_degrees):
        at = start + degree * shape.degree_head_room
        add_product(
            shifted(work.d_filters, 0, at),
            shape.degree_head,
            shifted(back, at, 0),
            shifted(change, 0, width),
            count,
            width,
        )
    for row in range(count):
        i, j = work.pair[begin + row, 0], work.pair[begin + row, 1]
        for column in range(0, 2 * width, lanes):
            store(change, row, column, load(change, row, column) * silu_slope(load(entering, row, column), one))
        for degree in range(shape.n_degrees):
            sums = spread(change, 0.0)
            for column in range(0, 2 * width, lanes):
                sums = fma(load(change, row, column), load(into, degree, column), sums)
            work.invariants[row, degree] = 2.0 * weights.root[degree] * total(sums)
        for column in range(0, shape.components_room, lanes):
            pull = spread(change, 0.0)
            for degree in range(shape.n_degrees):
                pull = fma(spread(change, work.invariants[row, degree]), load(weights.of_degree, degree, column), pull)
            push = pull * (load(chi, j, column) - load(chi, i, column))
            store(work.d_chi, j, column, load(work.d_chi, j, column) + push)
            store(work.d_chi, i, column, load(work.d_chi, i, column) - push)


__all__ = ["attend_back"]
