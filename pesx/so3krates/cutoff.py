"""Cutoff functions: 1 at distance 0, and 0 from the cutoff on.

The polynomial is that of PhysNet (Unke and Meuwly 2019, doi:10.1021/acs.jctc.9b00181, equation 8), the exponential that of
SpookyNet (Unke et al. 2021, doi:10.1038/s41467-021-27504-0). The second derivative of the cosine jumps at the cutoff, those
of the other two do not.
"""

import math
from collections.abc import Callable

import torch

from pesx.typing import Float, Tensor

CutoffFunction = Callable[[Tensor, float], Tensor]

EDGE = 1e-3
"""Nearer to an end than this, exp(-1 / distance to the end) is zero to all digits, and its derivatives would be 0 / 0."""


def polynomial(distance: Float[Tensor, "P"], cutoff: float) -> Float[Tensor, "P"]:
    """Return 1 - 6 t^5 + 15 t^4 - 10 t^3 with t = distance / cutoff.

    The first and second derivatives vanish at both ends, so Hessians stay continuous when a pair enters or leaves.

    Args:
        distance: Angstrom.
        cutoff: Angstrom.
    """
    t = (distance / cutoff).clamp(max=1.0)
    return 1.0 - t * t * t * (10.0 - t * (15.0 - 6.0 * t))


def cosine(distance: Float[Tensor, "P"], cutoff: float) -> Float[Tensor, "P"]:
    """Return (1 + cos(pi t)) / 2 with t = distance / cutoff; its second derivative jumps at the cutoff.

    Args:
        distance: Angstrom.
        cutoff: Angstrom.
    """
    return 0.5 * (1.0 + torch.cos(math.pi * (distance / cutoff).clamp(max=1.0)))


def exponential(distance: Float[Tensor, "P"], cutoff: float) -> Float[Tensor, "P"]:
    """Return exp(-t^2 / (1 - t^2)) with t = distance / cutoff; all derivatives vanish at the cutoff.

    Args:
        distance: Angstrom.
        cutoff: Angstrom.
    """
    t = distance / cutoff
    return torch.exp(1.0 - 1.0 / (1.0 - t * t).clamp(min=EDGE))


def smooth_switch(distance: Float[Tensor, "P"], start: float, end: float) -> Float[Tensor, "P"]:
    """Return 1 up to the start, 0 from the end on, and in between s(1 - c) / (s(1 - c) + s(c)) with s(c) = exp(-1 / c).

    All derivatives vanish at both ends. Written as one logistic function, which has no 0 / 0 anywhere.

    Args:
        distance: Angstrom.
        start: Angstrom.
        end: Angstrom.
    """
    c = ((distance - start) / (end - start)).clamp(EDGE, 1.0 - EDGE)
    return torch.sigmoid(1.0 / c - 1.0 / (1.0 - c))


CUTOFF_FUNCTIONS: dict[str, CutoffFunction] = {
    "polynomial": polynomial,
    "cosine": cosine,
    "exponential": exponential,
}
"""Cutoff functions by name."""

__all__ = ["CUTOFF_FUNCTIONS", "EDGE", "CutoffFunction", "cosine", "exponential", "polynomial", "smooth_switch"]
