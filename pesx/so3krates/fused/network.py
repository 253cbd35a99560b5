"""The whole network, forth and back, one replica after another: no replica can see another."""

import math

from pesx.so3krates.fused.atoms import (
    exchange,
    exchange_back,
    normalise,
    normalise_back,
    project,
    project_back,
    refine,
    refine_back,
    spread_gradient,
    take_message,
)
from pesx.so3krates.fused.attention import attend, look_up
from pesx.so3krates.fused.attention_back import attend_back
from pesx.so3krates.fused.geometry import add_forces, is_finite, most_pairs, prepare_pairs
from pesx.so3krates.fused.long_range import interact, repel
from pesx.so3krates.fused.matrix import clear, copy_rows
from pesx.so3krates.fused.readout import read, read_back
from pesx.so3krates.fused.vectors import apart, entry, merged
from pesx.so3krates.fused.weights import Array, Shape, Weights
from pesx.so3krates.fused.workspace import ENERGY, Workspace


@entry
def evaluate(
    shape: Shape, weights: Weights, work: Workspace, element: Array, positions: Array, energy: Array, forces: Array
) -> None:
    """Fill energies (eV) and forces (eV/angstrom) of all replicas; a replica with positions that are no numbers gets NaN.

    Args:
        shape: Of the model.
        weights: Of the model.
        work: Large enough for each replica.
        element: Place of each atom's element in the list of elements.
        positions: Angstrom.
        energy: Interaction energy of each replica.
        forces: Of each replica.
    """
    apart()
    for replica in range(positions.shape[0]):
        if is_finite(positions[replica]):
            n_pairs = prepare_pairs(shape, weights, work, positions[replica])
            forward(shape, weights, work, element, n_pairs)
            energy[replica] = add_up(shape, weights, work, element, positions[replica], n_pairs)
            backward(shape, weights, work, element, n_pairs)
            for atom in range(work.n_atoms):
                for axis in range(3):
                    forces[replica, atom, axis] = work.forces[atom, axis]
        else:
            energy[replica] = math.nan
            for atom in range(work.n_atoms):
                for axis in range(3):
                    forces[replica, atom, axis] = math.nan


@merged
def forward(shape: Shape, weights: Weights, work: Workspace, element: Array, n_pairs: int) -> None:
    """Fill the features of a replica whose pairs are prepared."""
    look_up(shape, weights, work, element, n_pairs)
    for layer in range(shape.n_layers):
        if layer > 0:
            project(shape, weights, work, layer)
        attend(shape, weights, work, layer, n_pairs)
        take_message(shape, work)
        if shape.has_norm:
            normalise(shape, weights, work, 2 * layer)
        if shape.has_refinement:
            refine(shape, weights, work, 2 * layer)
        exchange(shape, weights, work, layer)
        if shape.has_refinement_2:
            refine(shape, weights, work, 2 * layer + 1)
        if shape.has_norm_2:
            normalise(shape, weights, work, 2 * layer + 1)


@merged
def add_up(shape: Shape, weights: Weights, work: Workspace, element: Array, positions: Array, n_pairs: int) -> float:
    """Return the interaction energy of the replica that went forward last; add forces that do not come through features."""
    read(shape, weights, work, element)
    energy = 0.0
    for atom in range(work.n_atoms):
        energy += work.values[atom, ENERGY]
    if shape.has_repulsion:
        energy += repel(weights, work, element, n_pairs)
    if shape.has_electrostatics or shape.has_dispersion:
        energy += interact(shape, weights, work, element, positions)
    return energy


@merged
def backward(shape: Shape, weights: Weights, work: Workspace, element: Array, n_pairs: int) -> None:
    """Add the forces that come through the features of the replica that was added up last."""
    read_back(shape, weights, work, element)
    clear(work.d_chi, work.n_atoms, shape.components_room)
    clear(work.d_harmonics, n_pairs, shape.components_room)
    for pair in range(n_pairs):
        work.d_distance[pair] = 0.0
        work.d_gate[pair] = 0.0
    for layer in range(shape.n_layers - 1, -1, -1):
        if shape.has_norm_2:
            normalise_back(shape, weights, work, 2 * layer + 1)
        if shape.has_refinement_2:
            refine_back(shape, weights, work, 2 * layer + 1)
        exchange_back(shape, weights, work, layer)
        if shape.has_refinement:
            refine_back(shape, weights, work, 2 * layer)
        if shape.has_norm:
            normalise_back(shape, weights, work, 2 * layer)
        spread_gradient(shape, work)
        # Nobody needs the turned variables any more: their place takes their derivatives.
        copy_rows(work.d_chi, work.turned[layer], work.n_atoms, shape.components_room)
        attend_back(shape, weights, work, layer, n_pairs)
        if layer > 0:
            project_back(shape, weights, work, layer)
    add_forces(shape, weights, work, n_pairs)


__all__ = ["add_up", "backward", "evaluate", "forward", "most_pairs"]
