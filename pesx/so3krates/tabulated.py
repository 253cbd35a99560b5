"""Functions of the distance as splines on an even grid, for networks whose weights no longer change.

Quintic B-splines: four continuous derivatives, so Hessians stay smooth; six coefficients for a value anywhere; an error
that falls with the sixth power of the spacing. The grid is refined until value and slope are right to
:data:`TOLERANCE` of their largest size at all distances from :data:`NEAREST` on. Below that, closer than any bond,
the error grows with the steepness of the function, but the slope is still exactly that of the value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from pesx.errors import ConfigError
from pesx.typing import Float, Tensor

DEGREE = 5
TOLERANCE = 1e-7
NEAREST = 0.5
"""Angstrom."""
FEWEST, MOST = 128, 4096
TINY = 1e-30
"""Largest size that functions which are zero everywhere are thought to have."""

DistanceFunction = Callable[[Float[Tensor, "P"]], Float[Tensor, "P C"]]


@dataclass(frozen=True)
class Table:
    """B-spline coefficients of several functions of the distance.

    Attributes:
        coefficients: Row k belongs to the B-spline that begins ``DEGREE - k`` cells before distance 0.
        spacing: Width of a cell, angstrom.
        value_error: Largest error of a function from :data:`NEAREST` on, over the largest value of that function.
        slope_error: The same for the derivative.
    """

    coefficients: NDArray[np.float64]
    spacing: float
    value_error: float
    slope_error: float

    @property
    def n_cells(self) -> int:
        """How many cells there are from 0 to the end."""
        return len(self.coefficients) - DEGREE

    def __call__(self, distance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values and slopes at distances between 0 and the end, angstrom."""
        position = distance / self.spacing
        cell = np.minimum(position.astype(int), self.n_cells - 1)
        weights, slopes = _basis(position - cell)
        rows = self.coefficients[cell[:, None] + np.arange(DEGREE + 1)]
        value = np.einsum("rp,prc->pc", weights, rows)
        return value, np.einsum("rp,prc->pc", slopes, rows) / self.spacing


def tabulate(function: DistanceFunction, end: float, *, tolerance: float = TOLERANCE) -> Table:
    """Return a table of smooth functions.

    Args:
        function: Takes float64 distances in angstrom; is evaluated from 0 (left out itself) to ``end``.
        end: Last distance.
        tolerance: Of value and slope, relative to their largest size.

    Raises:
        ConfigError: The finest grid is not fine enough.
    """
    n_cells, table = FEWEST, None
    while n_cells <= MOST:
        table = _interpolate(function, end, n_cells)
        if max(table.value_error, table.slope_error) <= tolerance:
            return table
        n_cells *= 2
    assert table is not None
    raise ConfigError(
        f"Expected functions of the distance that splines of {MOST} cells give to {tolerance}; the best error is "
        f"{table.value_error:.1e} in the value and {table.slope_error:.1e} in the slope. Use the exact model."
    )


def evaluate(
    function: DistanceFunction, distance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values and exact slopes of the functions themselves."""
    at = torch.from_numpy(distance)
    with torch.no_grad():
        answer: tuple[Tensor, ...] = torch.func.jvp(function, (at,), (torch.ones_like(at),))
    return answer[0].numpy(), answer[1].numpy()


def _interpolate(function: DistanceFunction, end: float, n_cells: int) -> Table:
    spacing = end / n_cells
    knots = spacing * (np.arange(n_cells + 2 * DEGREE + 1) - DEGREE)
    # Two more conditions at each end than there are nodes, in the outermost cells; not 0 itself, where a basis may be 0 / 0.
    inner = spacing * np.arange(1, n_cells)
    extra = spacing * np.array([1e-6, 1 / 3, 2 / 3, n_cells - 2 / 3, n_cells - 1 / 3, n_cells])
    sites = np.sort(np.concatenate([inner, extra]))
    values, _ = evaluate(function, sites)
    coefficients = make_interp_spline(sites, values, k=DEGREE, t=knots).c
    table = Table(coefficients, spacing, 0.0, 0.0)
    cells = np.arange(int(np.ceil(NEAREST / spacing)), n_cells)
    probes = spacing * (cells[:, None] + np.array([0.1, 0.25, 0.5, 0.75, 0.9])).ravel()
    pairs = zip(table(probes), evaluate(function, probes), strict=True)
    errors = [
        float((np.abs(ours - exact).max(0) / np.maximum(np.abs(exact).max(0), TINY)).max()) for ours, exact in pairs
    ]
    return Table(coefficients, spacing, *errors)


def _basis(fraction: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the six B-splines that reach into a cell, and their slopes per cell, at a place in the cell from 0 to 1."""
    values = np.ones((1, len(fraction)))
    slopes = values
    for degree in range(1, DEGREE + 1):
        below, above = np.pad(values, ((1, 0), (0, 0))), np.pad(values, ((0, 1), (0, 0)))
        row = np.arange(degree + 1)[:, None]
        slopes = below - above
        values = ((fraction + degree - row) * below + (row + 1 - fraction) * above) / degree
    return values, slopes


__all__ = ["DEGREE", "NEAREST", "TOLERANCE", "DistanceFunction", "Table", "evaluate", "tabulate"]
