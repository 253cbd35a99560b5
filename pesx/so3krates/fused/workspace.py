"""Memory of one evaluation: everything that one replica needs at a time."""

from typing import Any, NamedTuple

import numpy as np

from pesx.so3krates.fused.weights import Array, Shape
from pesx.so3krates.tabulated import DEGREE

BLOCK = 24
"""Pairs whose filters exist at the same time; they and the weights of the spherical filter should fit the nearest cache."""

ENERGY, CHARGE, RATIO = 0, 1, 2
"""Columns of what the readouts say: energy (eV), charge before the molecule's is met (e), signed Hirshfeld ratio."""


class Workspace(NamedTuple):
    """Arrays of one replica. ``d_`` marks derivatives of the energy.

    Rows of ``x`` hold the features, then one number per degree. Arrays with a leading axis are kept per layer for the way
    back: Euclidean variables before (``chi``) and after attention (``turned``), factor of each degree (``factor``), what
    enters residual networks (``entered``), their hidden layer (``hidden``), and what norms made (``normal``).

    ``act`` and ``d_y`` hold intermediate products of many kinds. Distances, forces, and whatever the readouts say are float64
    in every precision.
    """

    n_atoms: int
    x: Array
    y: Array
    d_x: Array
    d_y: Array
    act: Array
    chi: Array
    turned: Array
    factor: Array
    d_chi: Array
    projections: Array
    d_projections: Array
    message: Array
    entered: Array
    hidden: Array
    normal: Array
    inverse_width: Array
    readout: Array
    values: Array
    d_values: Array
    charge: Array
    ratio: Array
    forces: Array
    pair: Array
    unit: Array
    distance: Array
    gate: Array
    d_gate: Array
    gate_slope: Array
    cell: Array
    splines: Array
    harmonics: Array
    d_harmonics: Array
    d_distance: Array
    coefficients: Array
    coefficient_slopes: Array
    filters: Array
    slopes: Array
    d_filters: Array
    invariants: Array
    entering: Array
    spherical: Array
    d_coefficients: Array
    monomials: Array


def make_workspace(
    shape: Shape, dtype: type[np.floating[Any]], *, n_atoms: int, n_pairs: int, n_monomials: int
) -> Workspace:
    """Return empty arrays for one replica at a time.

    Args:
        shape: Of the model.
        dtype: Precision of the network.
        n_atoms: Of the molecule.
        n_pairs: The most that a replica may have.
        n_monomials: Of the polynomials that harmonics are made of.
    """

    def empty(*sizes: int) -> Array:
        return np.zeros(sizes, dtype)

    layers, widest = shape.n_layers, max(shape.features_room, shape.readout_room)
    return Workspace(
        n_atoms=n_atoms,
        x=empty(n_atoms, shape.row),
        y=empty(n_atoms, shape.row),
        d_x=empty(n_atoms, shape.row),
        d_y=empty(n_atoms, shape.row),
        act=empty(n_atoms, widest),
        chi=empty(layers + 1, n_atoms, shape.components_room),
        turned=empty(layers, n_atoms, shape.components_room),
        factor=empty(layers, n_atoms, shape.lanes),
        d_chi=empty(n_atoms, shape.components_room),
        projections=empty(layers, n_atoms, shape.projections),
        d_projections=empty(n_atoms, shape.projections),
        message=empty(n_atoms, shape.n_heads * shape.head_room),
        entered=empty(2 * layers, n_atoms, shape.features_room),
        hidden=empty(2 * layers, n_atoms, shape.features_room),
        normal=empty(2 * layers, n_atoms, shape.features_room),
        inverse_width=empty(2 * layers, n_atoms),
        readout=empty(n_atoms, shape.readout_room),
        values=np.zeros((n_atoms, RATIO + 1)),
        d_values=np.zeros((n_atoms, RATIO + 1)),
        charge=np.zeros(n_atoms),
        ratio=np.zeros(n_atoms),
        forces=np.zeros((n_atoms, 3)),
        pair=np.zeros((n_pairs, 2), np.int64),
        unit=np.zeros((n_pairs, 3)),
        distance=np.zeros(n_pairs),
        gate=empty(n_pairs),
        d_gate=empty(n_pairs),
        gate_slope=np.zeros(n_pairs),
        cell=np.zeros(n_pairs, np.int64),
        splines=empty(2, n_pairs, DEGREE + 1),
        harmonics=empty(n_pairs, shape.components_room),
        d_harmonics=empty(n_pairs, shape.components_room),
        d_distance=empty(n_pairs),
        coefficients=empty(layers, n_pairs, shape.coefficients_room),
        coefficient_slopes=empty(n_pairs, shape.coefficients_room),
        filters=empty(BLOCK, shape.filters),
        slopes=empty(BLOCK, shape.filters),
        d_filters=empty(BLOCK, shape.filters),
        invariants=empty(BLOCK, shape.lanes),
        entering=empty(BLOCK, 2 * shape.narrow_room),
        spherical=empty(BLOCK, 2 * shape.narrow_room),
        d_coefficients=empty(1, shape.coefficients_room),
        monomials=empty(n_monomials),
    )


__all__ = ["BLOCK", "Workspace", "make_workspace"]
