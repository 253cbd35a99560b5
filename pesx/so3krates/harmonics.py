"""Real spherical harmonics of unit vectors, closed forms for degrees 1 to 4.

The convention is that of e3nn with ``normalization="integral"``: orthonormal on the sphere, m from -l to l, polar axis
y, so that degree 1 is sqrt(3 / 4 pi) (x, y, z). The tests hold every component against e3nn (Geiger and Smidt 2022,
doi:10.48550/arXiv.2207.09453).
"""

import math
from collections.abc import Callable, Sequence

import torch

from pesx.errors import ConfigError
from pesx.typing import Float, Tensor

Component = Tensor


def _root(fraction: float) -> float:
    return math.sqrt(fraction / math.pi)


def _first(x: Tensor, y: Tensor, z: Tensor) -> list[Component]:
    c = _root(3 / 4)
    return [c * x, c * y, c * z]


def _second(x: Tensor, y: Tensor, z: Tensor) -> list[Component]:
    c = _root(15) / 2
    return [c * x * z, c * x * y, _root(5) / 4 * (3 * y * y - 1), c * y * z, c / 2 * (z * z - x * x)]


def _third(x: Tensor, y: Tensor, z: Tensor) -> list[Component]:
    xx, yy, zz = x * x, y * y, z * z
    outer, middle, inner = _root(35 / 2) / 4, _root(105) / 2, _root(21 / 2) / 4
    ring = inner * (5 * yy - 1)
    return [
        outer * x * (3 * zz - xx),
        middle * x * y * z,
        x * ring,
        _root(7) / 4 * y * (5 * yy - 3),
        z * ring,
        middle / 2 * y * (zz - xx),
        outer * z * (zz - 3 * xx),
    ]


def _fourth(x: Tensor, y: Tensor, z: Tensor) -> list[Component]:
    xx, yy, zz = x * x, y * y, z * z
    a, b, c, d = _root(35) * 3 / 4, _root(35 / 2) * 3 / 4, _root(5) * 3 / 4, _root(5 / 2) * 3 / 4
    ring = d * y * (7 * yy - 3)
    return [
        a * x * z * (zz - xx),
        b * x * y * (3 * zz - xx),
        c * x * z * (7 * yy - 1),
        x * ring,
        3 / 16 * _root(1) * ((35 * yy - 30) * yy + 3),
        z * ring,
        c / 2 * (zz - xx) * (7 * yy - 1),
        b * y * z * (zz - 3 * xx),
        a / 4 * ((zz - 6 * xx) * zz + xx * xx),
    ]


_DEGREES: dict[int, Callable[[Tensor, Tensor, Tensor], list[Component]]] = {
    1: _first,
    2: _second,
    3: _third,
    4: _fourth,
}

KNOWN_DEGREES = tuple(_DEGREES)
"""Degrees with a closed form here."""


def spherical_harmonics(degrees: Sequence[int], unit: Float[Tensor, "P 3"]) -> Float[Tensor, "P M"]:
    """Evaluate real spherical harmonics, the blocks of all degrees side by side.

    Args:
        degrees: Degrees l, each 1 to 4.
        unit: Unit vectors; polynomials are evaluated as they stand, nothing is normalised.

    Raises:
        ConfigError: A degree has no closed form.
    """
    unknown = [degree for degree in degrees if degree not in _DEGREES]
    if unknown:
        raise ConfigError(f"Expected degrees among {KNOWN_DEGREES}, came {unknown}; leave those out.")
    x, y, z = unit.unbind(-1)
    return torch.stack([component for degree in degrees for component in _DEGREES[degree](x, y, z)], dim=-1)


__all__ = ["KNOWN_DEGREES", "spherical_harmonics"]
