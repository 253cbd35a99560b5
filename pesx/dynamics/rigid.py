"""Motion of a molecule as a whole: how to take it out of velocities, and what its thermal average does to the shape.

A molecule in vacuum keeps its momentum and its angular momentum, so a simulation may keep both at zero. Without rotation,
though, configurations are not met with their Boltzmann weights: the integral of exp(-K/kT) over momenta without angular
momentum is proportional to det(I)^(-1/2), with I the inertia tensor, so compact shapes are met too often. The potential of
mean force of the rotation left out, -kT/2 ln det(I), makes up for it. Its forces are the centrifugal forces of thermal
rotation averaged over the angular velocity, whose covariance is kT I^-1::

    f_i = kT m_i (tr(I^-1) r_i - I^-1 r_i)

With them, dynamics of the 3N-6 internal degrees of freedom samples shapes as the molecule that tumbles freely does. The
momentum of the whole is independent of the shape and needs no such term.
"""

from dataclasses import dataclass
from typing import Self

import torch

from pesx.typing import Energies, Float, Forces, PerReplica, Positions, Tensor, Velocities

_RIDGE = 1e-10
"""Of the trace, added to the inertia tensor: that of a linear molecule is singular, and has no momentum along its axis."""


@dataclass(frozen=True)
class Rigid:
    """The rigid motions of replicas where they are; made by :meth:`of`.

    Attributes:
        arms: Positions relative to the centre of mass, angstrom.
        masses: In the unit of the kinetic energy.
        inverse: Of the inertia tensor.
        determinant: Of the inertia tensor.
    """

    arms: Positions
    masses: Float[Tensor, "N 1"]
    inverse: Float[Tensor, "B 3 3"]
    determinant: PerReplica

    @classmethod
    def of(cls, positions: Positions, masses: Float[Tensor, "N"]) -> Self:
        """Return the rigid motions at these positions."""
        weights = masses.to(positions)[:, None]
        arms = positions - (weights * positions).sum(dim=1, keepdim=True) / weights.sum()
        second = ((weights * arms)[..., :, None] * arms[..., None, :]).sum(dim=1)
        trace = second.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
        inertia = trace * (1 + _RIDGE) * torch.eye(3, dtype=second.dtype, device=second.device) - second
        a, b, c = inertia.unbind(dim=1)
        # Cramer's rule rounds alike in every batch, which a batched factorisation does not.
        adjugate = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=2)
        determinant = (a * adjugate[:, :, 0]).sum(dim=1)
        return cls(arms, weights, adjugate / determinant[:, None, None], determinant)

    def removed_from(self, velocities: Velocities) -> Velocities:
        """Return velocities without momentum and angular momentum, the nearest ones in kinetic energy."""
        momenta = self.masses * velocities
        drift = momenta.sum(dim=1, keepdim=True) / self.masses.sum()
        angular = torch.linalg.cross(self.arms, momenta).sum(dim=1)
        omega = (self.inverse * angular[:, None, :]).sum(dim=2)[:, None, :]
        kept: Velocities = velocities - drift - torch.linalg.cross(omega.expand_as(self.arms), self.arms)
        return kept

    def centrifugal(self, kT: PerReplica) -> Forces:  # noqa: N803  the thermal energy is written so in the field
        """Return the mean centrifugal forces of thermal rotation, in the unit of kT per angstrom."""
        trace = self.inverse.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
        turned = (self.inverse[:, None, :, :] * self.arms[:, :, None, :]).sum(dim=3)
        forces: Forces = kT[:, None, None] * self.masses * (trace * self.arms - turned)
        return forces

    def shares(self) -> Float[Tensor, "B N"]:
        """Return the canonical mean of m v^2 of each atom without rigid motion, in kT: a little below 3; the sum is 3N-6."""
        turning = (self.arms * self.centrifugal(torch.ones_like(self.determinant))).sum(dim=2)
        share: Tensor = 3 * (1 - self.masses[:, 0] / self.masses.sum()) - turning
        return share

    def mean_force_potential(self, kT: PerReplica) -> Energies:  # noqa: N803
        """Return the potential of these forces, up to a constant, in the unit of kT."""
        return -0.5 * kT * torch.log(self.determinant)


def degrees_of_freedom(n_atoms: int, *, is_free: bool) -> int:
    """Return how many degrees of freedom move.

    Args:
        n_atoms: Of the molecule.
        is_free: Whether momentum and angular momentum are kept at zero; else atoms move in an external field.
    """
    if not is_free:
        return 3 * n_atoms
    return 3 * n_atoms - (6 if n_atoms > 2 else 5 if n_atoms == 2 else 3)


__all__ = ["Rigid", "degrees_of_freedom"]
