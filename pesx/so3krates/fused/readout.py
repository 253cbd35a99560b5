"""Kernels of the readouts: energy, partial charge and Hirshfeld ratio of each atom, and the way back to its features.

All three are a constant per element plus a hidden layer times a row of numbers per element, so they are one: their hidden
layers stand side by side. Those that a model lacks have no columns.
"""

from pesx.so3krates.fused.atoms import silu_slope
from pesx.so3krates.fused.matrix import add_product, clear
from pesx.so3krates.fused.vectors import apart, compiled, fma, lanes_of, load, sigmoid, spread, store, total
from pesx.so3krates.fused.weights import Array, Shape, Weights
from pesx.so3krates.fused.workspace import CHARGE, ENERGY, RATIO, Workspace


@compiled
def read(shape: Shape, weights: Weights, work: Workspace, element: Array) -> None:
    """Fill what the readouts say of each atom, and the derivatives of the energy as far as it is the sum of energies."""
    apart()
    lanes, n_atoms = lanes_of(work.x), work.n_atoms
    for atom in range(n_atoms):
        for column in range(0, shape.readout_room, lanes):
            store(work.readout, atom, column, load(weights.hidden_bias, 0, column))
    add_product(work.x, shape.features, weights.hidden, work.readout, n_atoms, shape.readout_room)
    for atom in range(n_atoms):
        for which in range(RATIO + 1):
            sums = spread(work.x, 0.0)
            for column in range(weights.readout_start[which], weights.readout_start[which + 1], lanes):
                value = load(work.readout, atom, column)
                sums = fma(value * sigmoid(value), load(weights.out, element[atom], column), sums)
            work.values[atom, which] = float(total(sums)) + float(weights.out_bias[element[atom], which])
        work.d_values[atom, ENERGY] = 1.0
        work.d_values[atom, CHARGE] = 0.0
        work.d_values[atom, RATIO] = 0.0


@compiled
def read_back(shape: Shape, weights: Weights, work: Workspace, element: Array) -> None:
    """Fill the derivatives of features from those of the readouts."""
    apart()
    lanes, n_atoms = lanes_of(work.x), work.n_atoms
    one = spread(work.x, 1.0)
    for atom in range(n_atoms):
        for which in range(RATIO + 1):
            share = spread(work.x, work.d_values[atom, which])
            for column in range(weights.readout_start[which], weights.readout_start[which + 1], lanes):
                slope = silu_slope(load(work.readout, atom, column), one)
                store(work.act, atom, column, slope * load(weights.out, element[atom], column) * share)
    clear(work.d_x, n_atoms, shape.row)
    add_product(work.act, shape.readout_room, weights.hidden_back, work.d_x, n_atoms, shape.features_room)


__all__ = ["read", "read_back"]
