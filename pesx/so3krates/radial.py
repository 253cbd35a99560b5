"""Functions of the interatomic distance: the radial basis and the cutoff, both of PhysNet.

Unke and Meuwly 2019, doi:10.1021/acs.jctc.9b00181, equations 7 and 8.
"""

import math

import torch
from torch import nn

from pesx.typing import Float, Tensor


def smooth_cutoff(distance: Float[Tensor, "P"], cutoff: float) -> Float[Tensor, "P"]:
    """Return 1 - 6 t^5 + 15 t^4 - 10 t^3 with t = distance / cutoff: 1 at 0, and 0 beyond the cutoff.

    The first and second derivatives vanish at both ends, so Hessians stay continuous when a pair enters or leaves.

    Args:
        distance: Angstrom.
        cutoff: Angstrom.
    """
    t = (distance / cutoff).clamp(max=1.0)
    return 1.0 - t * t * t * (10.0 - t * (15.0 - 6.0 * t))


class ExponentialBasis(nn.Module):
    """Gaussians in exp(-distance), evenly spaced, so that they are dense where bonds are and wide far away.

    Args:
        n_radial: Number of functions.
        cutoff: Angstrom.
    """

    centres: Tensor

    def __init__(self, n_radial: int, cutoff: float) -> None:
        super().__init__()
        end = math.exp(-cutoff)
        self.sharpness = (2.0 / n_radial * (1.0 - end)) ** -2
        centres = torch.linspace(end, 1.0, n_radial, dtype=torch.float64)
        self.register_buffer("centres", centres.to(torch.get_default_dtype()), persistent=False)

    def forward(self, distance: Float[Tensor, "P"]) -> Float[Tensor, "P K"]:
        """Evaluate all functions at distances in angstrom; values lie in (0, 1]."""
        offset = torch.exp(-distance)[:, None] - self.centres
        return torch.exp(-self.sharpness * offset * offset)


__all__ = ["ExponentialBasis", "smooth_cutoff"]
