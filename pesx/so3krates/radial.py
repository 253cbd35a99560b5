"""Radial bases: functions of the interatomic distance that a filter is made of."""

import math
from collections.abc import Callable

import torch
from torch import nn

from pesx.typing import Float, Tensor

BERNSTEIN_DECAY = 0.944863062918464
"""1/angstrom; half an inverse bohr, as in SpookyNet."""


class PhysnetBasis(nn.Module):
    """Gaussians in exp(-distance), evenly spaced, so that they are dense where bonds are and wide far away.

    Unke and Meuwly 2019, doi:10.1021/acs.jctc.9b00181, equation 7.

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


class BernsteinBasis(nn.Module):
    """Bernstein polynomials in exp(-decay * distance), which add up to 1; they do not depend on the cutoff.

    Unke et al. 2021, doi:10.1038/s41467-021-27504-0. Evaluated in logarithms: the binomial coefficients are too
    large, and the powers too small, for single precision.

    Args:
        n_radial: Number of functions.
        cutoff: Angstrom.
    """

    log_binomial: Tensor
    power: Tensor

    def __init__(self, n_radial: int, cutoff: float) -> None:  # noqa: ARG002 - all bases are made alike
        super().__init__()
        power = torch.arange(n_radial, dtype=torch.float64)
        n = n_radial - 1
        log_binomial = math.lgamma(n + 1) - torch.lgamma(power + 1) - torch.lgamma(n - power + 1)
        self.register_buffer("log_binomial", log_binomial, persistent=False)
        self.register_buffer("power", power, persistent=False)
        self.to(torch.get_default_dtype())

    def forward(self, distance: Float[Tensor, "P"]) -> Float[Tensor, "P K"]:
        """Evaluate all functions at distances above 0 in angstrom; values lie in [0, 1]."""
        log_s = (-BERNSTEIN_DECAY * distance)[:, None]
        log_rest = torch.log(-torch.expm1(log_s))
        return torch.exp(self.log_binomial + self.power * log_s + self.power.flip(0) * log_rest)


class GaussianBasis(nn.Module):
    """Gaussians in the distance; centres and widths are trained, from even spacing on.

    Args:
        n_radial: Number of functions.
        cutoff: Angstrom.
    """

    def __init__(self, n_radial: int, cutoff: float) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.linspace(0.0, cutoff, n_radial))
        self.widths = nn.Parameter(torch.full((n_radial,), cutoff / n_radial))

    def forward(self, distance: Float[Tensor, "P"]) -> Float[Tensor, "P K"]:
        """Evaluate all functions at distances in angstrom; values lie in (0, 1]."""
        scaled = (distance[:, None] - self.centres) / self.widths
        return torch.exp(-0.5 * scaled * scaled)


class BesselBasis(nn.Module):
    """Spherical Bessel functions of degree 0 that vanish at the cutoff: sqrt(2 / cutoff) sin(k pi d / cutoff) / d.

    Gasteiger, Gross and Guennemann 2020, doi:10.48550/arXiv.2003.03123.

    Args:
        n_radial: Number of functions.
        cutoff: Angstrom.
    """

    frequencies: Tensor

    def __init__(self, n_radial: int, cutoff: float) -> None:
        super().__init__()
        self.norm = math.sqrt(2.0 / cutoff)
        frequencies = torch.arange(1, n_radial + 1, dtype=torch.float64) * (math.pi / cutoff)
        self.register_buffer("frequencies", frequencies.to(torch.get_default_dtype()), persistent=False)

    def forward(self, distance: Float[Tensor, "P"]) -> Float[Tensor, "P K"]:
        """Evaluate all functions at distances above 0 in angstrom; angstrom^(-3/2)."""
        return self.norm * torch.sin(distance[:, None] * self.frequencies) / distance[:, None]


RADIAL_BASES: dict[str, Callable[[int, float], nn.Module]] = {
    "physnet": PhysnetBasis,
    "bernstein": BernsteinBasis,
    "gaussian": GaussianBasis,
    "bessel": BesselBasis,
}
"""Radial bases by name."""

__all__ = ["RADIAL_BASES", "BernsteinBasis", "BesselBasis", "GaussianBasis", "PhysnetBasis"]
