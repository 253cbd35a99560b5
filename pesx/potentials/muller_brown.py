"""The Müller-Brown surface: three minima and two saddles in the plane, the classic test of saddle and path searches.

Four anisotropic Gaussians, V = sum A exp(a dx^2 + b dx dy + c dy^2) (Müller and Brown 1979, doi:10.1007/BF00547608).
"""

from dataclasses import dataclass

import torch

from pesx.errors import InputError
from pesx.state import Evaluation
from pesx.typing import Float, Positions, Tensor

_HEIGHT = (-200.0, -100.0, -170.0, 15.0)
_XX = (-1.0, -1.0, -6.5, 0.7)
_XY = (0.0, 0.0, 11.0, 0.6)
_YY = (-10.0, -10.0, -6.5, 0.7)
_X0 = (1.0, 0.0, -0.5, -1.0)
_Y0 = (0.0, 0.5, 1.5, 1.0)


@dataclass(frozen=True)
class MullerBrown:
    """One atom on the Müller-Brown surface; its z is ignored, so the force along z is zero.

    It is an external field: not invariant under translation or rotation.
    """

    @torch.no_grad()
    def __call__(self, positions: Positions) -> Evaluation:
        """Return energies and forces, in the surface's own units."""
        value, slope_x, slope_y, *_ = _terms(positions)
        forces = torch.stack(
            (-(value * slope_x).sum(-1), -(value * slope_y).sum(-1), torch.zeros_like(value[:, 0])), -1
        )
        return Evaluation(value.sum(-1), forces[:, None])

    @torch.no_grad()
    def hessian(self, positions: Positions) -> Float[Tensor, "B D D"]:
        """Return the second derivatives of the energy; those along z are zero."""
        value, slope_x, slope_y, xx, xy, yy = _terms(positions)
        hessian = positions.new_zeros(positions.shape[0], 3, 3)
        hessian[:, 0, 0] = (value * (slope_x * slope_x + 2.0 * xx)).sum(-1)
        hessian[:, 1, 1] = (value * (slope_y * slope_y + 2.0 * yy)).sum(-1)
        hessian[:, 0, 1] = hessian[:, 1, 0] = (value * (slope_x * slope_y + xy)).sum(-1)
        return hessian


def _terms(positions: Positions) -> tuple[Tensor, ...]:
    """Return the four Gaussians (B, 4), the slopes of their exponents along x and y, and the exponents' factors."""
    if positions.shape[1] != 1:
        raise InputError(
            f"The Müller-Brown surface holds one atom, positions (B, 1, 3); these are {tuple(positions.shape)}. "
            "Give each point as a replica of its own."
        )
    height, xx, xy, yy, x0, y0 = (positions.new_tensor(row) for row in (_HEIGHT, _XX, _XY, _YY, _X0, _Y0))
    dx = positions[:, 0, :1] - x0
    dy = positions[:, 0, 1:2] - y0
    value = height * torch.exp(xx * dx * dx + xy * dx * dy + yy * dy * dy)
    return value, 2.0 * xx * dx + xy * dy, xy * dx + 2.0 * yy * dy, xx, xy, yy
