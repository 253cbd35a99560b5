"""What training minimises: energy and force errors that grow linearly when large.

Force errors enter as the norm of the error vector of each atom, energy errors per molecule, both through
h(e) = sqrt(e^2 + d^2) - d. Every atom pulls with a bounded strength, and hot frames weigh less, so strongly compressed
frames with forces of tens of eV/angstrom cannot outweigh the thermal ones.
Pseudo-Huber: Charbonnier et al. 1994, doi:10.1109/ICIP.1994.413553.
"""

from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.errors import ConfigError
from pesx.typing import Float, Tensor


@dataclass(frozen=True)
class LossSettings:
    """Weights and scales of the loss.

    Attributes:
        force_weight: Of the mean force error, 1/(eV/angstrom).
        energy_weight: Of the mean energy error per molecule at the start, 1/eV.
        final_energy_weight: The same at the end. It rises geometrically over the last part of the training:
            forces first shape the surface, and the energies then settle its long wavelengths.
        rise_from: Fraction of the training at which the rise begins.
        force_scale: Errors well below are squared, well above linear, eV/angstrom.
        energy_scale: The same for energies, eV.
        large_force: A frame with the largest force f weighs 1 / (1 + f / large_force), eV/angstrom.
    """

    force_weight: float = 1.0
    energy_weight: float = 0.1
    final_energy_weight: float = 1.0
    rise_from: float = 0.4
    force_scale: float = 0.01
    energy_scale: float = 0.01
    large_force: float = 6.0

    def __post_init__(self) -> None:
        weights = ("force_weight", "energy_weight", "final_energy_weight")
        require(self, above_zero=(*weights, "force_scale", "energy_scale", "large_force"))
        if not 0 <= self.rise_from < 1:
            raise ConfigError(f"Expected loss.rise_from from 0 to below 1, came {self.rise_from!r}. Give a fraction.")

    def energy_weight_at(self, progress: float) -> float:
        """Return the energy weight at a fraction of the training, 1/eV."""
        risen = min(max((progress - self.rise_from) / (1 - self.rise_from), 0.0), 1.0)
        return float(self.energy_weight * (self.final_energy_weight / self.energy_weight) ** risen)


def pseudo_huber(squared_error: Tensor, scale: float) -> Tensor:
    """Return sqrt(e^2 + d^2) - d for squared errors e^2, in the unit of the error."""
    return torch.sqrt(squared_error + scale * scale) - scale


def force_loss(
    forces: Float[Tensor, "atoms 3"], target: Float[Tensor, "atoms 3"], weight: Float[Tensor, "atoms"], scale: float
) -> Tensor:
    """Return the weighted sum over atoms of the robust force error, eV/angstrom.

    Args:
        forces: Predicted, eV/angstrom.
        target: Labels, eV/angstrom.
        weight: Of each atom; 0 for padding.
        scale: See :class:`LossSettings`.
    """
    return (weight * pseudo_huber((forces - target).square().sum(-1), scale)).sum()


def energy_loss(off: Float[Tensor, "graphs"], weight: Float[Tensor, "graphs"], scale: float) -> Tensor:
    """Return the weighted sum over molecules of the robust energy error, eV.

    Args:
        off: Predicted less labelled energy, eV.
        weight: Of each molecule; 0 for padding.
        scale: See :class:`LossSettings`.
    """
    return (weight * pseudo_huber(off.square(), scale)).sum()
