"""Kernels of distances and directions: the pairs of a replica, and forces from derivatives per pair."""

import math

from pesx.so3krates.fused.switches import switch
from pesx.so3krates.fused.vectors import apart, compiled, entry, fma, lanes_of, load, merged, spread, store, total
from pesx.so3krates.fused.weights import Array, Shape, Weights
from pesx.so3krates.fused.workspace import Workspace
from pesx.so3krates.graph import CLOSEST
from pesx.so3krates.tabulated import DEGREE


@compiled
def is_finite(positions: Array) -> bool:
    """Say whether all positions of a replica are numbers."""
    for atom in range(positions.shape[0]):
        for axis in range(3):
            if not math.isfinite(positions[atom, axis]):
                return False
    return True


@entry
def most_pairs(positions: Array, cutoff: float) -> int:
    """Return the number of pairs closer than the cutoff in the replica that has most."""
    apart()
    most = 0
    for replica in range(positions.shape[0]):
        count = 0
        for i in range(positions.shape[1]):
            for j in range(i + 1, positions.shape[1]):
                if squared_distance(positions[replica], i, j) < cutoff * cutoff:
                    count += 1
        most = max(most, count)
    return most


@compiled
def squared_distance(positions: Array, i: int, j: int) -> float:
    """Return the squared distance of two atoms, in float64 whatever the positions are."""
    x = float(positions[j, 0]) - float(positions[i, 0])
    y = float(positions[j, 1]) - float(positions[i, 1])
    z = float(positions[j, 2]) - float(positions[i, 2])
    return x * x + y * y + z * z


@compiled
def prepare_pairs(shape: Shape, weights: Weights, work: Workspace, positions: Array) -> int:
    """Find the pairs of a replica and what depends on their vectors alone, and clear the forces; return the number of pairs."""
    apart()
    for atom in range(work.n_atoms):
        for axis in range(3):
            work.forces[atom, axis] = 0.0
    count = 0
    for i in range(positions.shape[0]):
        for j in range(i + 1, positions.shape[0]):
            squared = squared_distance(positions, i, j)
            if squared < weights.cutoff * weights.cutoff:
                work.pair[count, 0] = i
                work.pair[count, 1] = j
                distance = math.sqrt(max(squared, CLOSEST * CLOSEST))
                work.distance[count] = distance
                for axis in range(3):
                    work.unit[count, axis] = (float(positions[j, axis]) - float(positions[i, axis])) / distance
                gate, slope = switch(distance / weights.cutoff, weights.cutoff_code)
                work.gate[count] = gate / weights.neighbours
                work.gate_slope[count] = slope / (weights.cutoff * weights.neighbours)
                place_on_grid(weights, work, count, distance)
                make_harmonics(shape, weights, work, count)
                count += 1
    return count


@merged
def place_on_grid(weights: Weights, work: Workspace, pair: int, distance: float) -> None:
    """Find the cell of a distance on the grid of the tables, its B-splines and their slopes (1/angstrom)."""
    position = distance * weights.per_spacing
    cell = min(int(position), weights.cells - 1)
    fraction = position - cell
    work.cell[pair] = cell
    values, slopes = work.splines[0][pair], work.splines[1][pair]
    # In double precision until the end: cells are narrow, and the slopes divide by their width.
    b0, b1, b2, b3, b4, b5 = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for degree in range(1, DEGREE + 1):
        if degree == DEGREE:
            slopes[0] = -b0 * weights.per_spacing
            slopes[1] = (b0 - b1) * weights.per_spacing
            slopes[2] = (b1 - b2) * weights.per_spacing
            slopes[3] = (b2 - b3) * weights.per_spacing
            slopes[4] = (b3 - b4) * weights.per_spacing
            slopes[5] = b4 * weights.per_spacing
        up = fraction + degree
        b5 = (up - 5.0) * b4 / degree
        b4 = ((up - 4.0) * b3 + (5.0 - fraction) * b4) / degree
        b3 = ((up - 3.0) * b2 + (4.0 - fraction) * b3) / degree
        b2 = ((up - 2.0) * b1 + (3.0 - fraction) * b2) / degree
        b1 = ((up - 1.0) * b0 + (2.0 - fraction) * b1) / degree
        b0 = (1.0 - fraction) * b0 / degree
    values[0], values[1], values[2], values[3], values[4], values[5] = b0, b1, b2, b3, b4, b5


@compiled
def make_monomials(weights: Weights, work: Workspace, pair: int) -> None:
    """Evaluate all monomials of a pair's direction."""
    apart()
    monomials = work.monomials
    monomials[0] = 1.0
    for k in range(1, weights.n_monomials):
        monomials[k] = monomials[weights.parent[k]] * work.unit[pair, weights.axis[k]]


@merged
def make_harmonics(shape: Shape, weights: Weights, work: Workspace, pair: int) -> None:
    """Evaluate the harmonics of a pair's direction."""
    make_monomials(weights, work, pair)
    monomials, n, lanes = work.monomials, weights.n_monomials, lanes_of(work.x)
    for column in range(0, shape.components_room, lanes):
        value = load(weights.polynomials, 0, column)
        for k in range(1, n):
            value = fma(spread(work.x, monomials[k]), load(weights.polynomials, k, column), value)
        store(work.harmonics, pair, column, value)


@compiled
def add_forces(shape: Shape, weights: Weights, work: Workspace, n_pairs: int) -> None:
    """Turn the derivatives per pair into forces on atoms, eV/angstrom, beside those that are there."""
    apart()
    n, lanes = weights.n_monomials, lanes_of(work.x)
    for pair in range(n_pairs):
        make_monomials(weights, work, pair)
        x, y, z = spread(work.x, 0.0), spread(work.x, 0.0), spread(work.x, 0.0)
        for column in range(0, shape.components_room, lanes):
            wanted = load(work.d_harmonics, pair, column)
            for k in range(n):
                part = wanted * spread(work.x, work.monomials[k])
                x = fma(part, load(weights.slopes, k, column), x)
                y = fma(part, load(weights.slopes, n + k, column), y)
                z = fma(part, load(weights.slopes, 2 * n + k, column), z)
        turn = (float(total(x)), float(total(y)), float(total(z)))
        unit, distance = work.unit[pair], work.distance[pair]
        along = turn[0] * unit[0] + turn[1] * unit[1] + turn[2] * unit[2]
        stretch = float(work.d_distance[pair]) + float(work.d_gate[pair]) * work.gate_slope[pair]
        if distance <= CLOSEST:  # The distance counts as constant.
            along, stretch = 0.0, 0.0
        i, j = work.pair[pair, 0], work.pair[pair, 1]
        for axis in range(3):
            push = (turn[axis] - along * unit[axis]) / distance + stretch * unit[axis]
            work.forces[i, axis] += push
            work.forces[j, axis] -= push


__all__ = ["add_forces", "is_finite", "most_pairs", "prepare_pairs", "squared_distance"]
