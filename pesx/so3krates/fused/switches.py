"""Kernels of the functions that fade interactions in and out, each with its slope; as :mod:`pesx.so3krates.cutoff` has them."""

import math

from pesx.so3krates.cutoff import EDGE
from pesx.so3krates.fused.vectors import compiled, merged

CUTOFF_CODES = {"polynomial": 0, "cosine": 1, "exponential": 2}
"""Numbers of the cutoff functions; kernels cannot compare names."""


@merged
def switch(t: float, code: int) -> tuple[float, float]:
    """Return a cutoff function and its derivative, at a distance in units of the cutoff."""
    if t >= 1.0:
        return 0.0, 0.0
    if code == 0:
        rest = 1.0 - t
        return 1.0 - t * t * t * (10.0 - t * (15.0 - 6.0 * t)), -30.0 * t * t * rest * rest
    if code == 1:
        return 0.5 * (1.0 + math.cos(math.pi * t)), -0.5 * math.pi * math.sin(math.pi * t)
    rest = 1.0 - t * t
    if rest < EDGE:
        return 0.0, 0.0
    value = math.exp(1.0 - 1.0 / rest)
    return value, -2.0 * t * value / (rest * rest)


@compiled
def smooth_switch(distance: float, start: float, end: float) -> tuple[float, float]:
    """Return the switch from 1 at the start to 0 at the end, and its derivative."""
    c = (distance - start) / (end - start)
    if c <= EDGE:
        return 1.0, 0.0
    rest = 1.0 - c
    if rest <= EDGE:
        return 0.0, 0.0
    value = 1.0 / (1.0 + math.exp(1.0 / rest - 1.0 / c))
    return value, -value * (1.0 - value) * (1.0 / (c * c) + 1.0 / (rest * rest)) / (end - start)


__all__ = ["CUTOFF_CODES", "smooth_switch", "switch"]
