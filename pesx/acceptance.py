"""Whether to take a step uphill (Metropolis et al. 1953, doi:10.1063/1.1699114)."""

from dataclasses import dataclass

import torch

from pesx.typing import Energies, Mask, PerReplica


@dataclass(frozen=True)
class Metropolis:
    """Accept a rise in energy with the Boltzmann probability, a fall always."""

    def __call__(self, rise: Energies, kT: PerReplica, uniform: PerReplica) -> Mask:  # noqa: N803
        """Decide.

        Args:
            rise: New minus old energy, eV; minus infinity where there was no old one.
            kT: Thermal energy, eV.
            uniform: Numbers in [0, 1).
        """
        return uniform < torch.exp((-rise / kT).clamp(max=0.0))
