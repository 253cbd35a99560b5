"""How far an energy may be off, from where its structure lies among those that the network was trained on.

Last-layer prediction rigidity, Bigi, Chong, Ceriotti and Grasselli 2024, doi:10.1088/2632-2153/ad805f: the last layer is taken
for a linear regression on the features g that the layers below make of a structure. Its variance is g^T (C + ridge)^-1 g times
a constant, with C the sum of g g^T over the structures trained on.
"""

from dataclasses import dataclass, replace

import torch

from pesx.errors import ContractError
from pesx.typing import Float, Tensor


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of energies at one level of theory, from readout features (:meth:`So3krates.readout_features`).

    Attributes:
        factor: Takes features to numbers whose squares add up to g^T (C + ridge)^-1 g, float64.
        alpha: Standard deviation where that is 1, eV; found on frames that were held out.
        ridge: Added to the diagonal of C.
        level: Level of theory of the energies.
    """

    factor: Float[Tensor, "F F"]
    alpha: float
    ridge: float
    level: str

    @classmethod
    def of(cls, covariance: Float[Tensor, "F F"], *, ridge: float, level: str) -> "Uncertainty":
        """Return the uncertainty with an alpha of 1 eV.

        Args:
            covariance: Sum of g g^T over structures.
            ridge: Added to its diagonal; above 0.
            level: Level of theory.
        """
        spread, directions = torch.linalg.eigh(covariance.double())
        # Rounding makes the smallest ones negative.
        scale = (spread.clamp(min=0.0) + ridge).rsqrt()
        return cls(scale[:, None] * directions.mT, 1.0, ridge, level)

    def with_alpha(self, alpha: float) -> "Uncertainty":
        """Return the same with another alpha, eV."""
        return replace(self, alpha=alpha)

    def sigma(self, features: Float[Tensor, "G F"]) -> Float[Tensor, "G"]:
        """Return the standard deviation of energies, eV.

        Args:
            features: Of structures, or differences of features for differences of energies.
        """
        if features.shape[-1] != len(self.factor):
            raise ContractError(
                f"Expected {len(self.factor)} readout features, those of the model calibrated; came {features.shape[-1]}."
            )
        factor = self.factor.to(features.device)
        rigidity: Tensor = torch.linalg.vector_norm(features.double() @ factor.mT, dim=-1)
        return self.alpha * rigidity

    def sigma_of_difference(self, features: Float[Tensor, "G F"], others: Float[Tensor, "H F"]) -> Float[Tensor, "G"]:
        """Return the standard deviation of the differences of two energies, eV; what both are wrong by drops out.

        Args:
            features: Of structures.
            others: Of those that they are compared with: as many, or a single one.
        """
        return self.sigma(features - others)


__all__ = ["Uncertainty"]
