"""Canonical sampling of a small cluster without any harmonic assumption: hybrid Monte Carlo at several temperatures at once.

Each chain has one replica per temperature; after every trajectory, neighbours may exchange structures (Swendsen and Wang 1986,
doi:10.1103/PhysRevLett.57.2607; Duane et al. 1987, doi:10.1016/0370-2693(87)91197-X). Structures with an atom farther than
``radius`` from the centre are refused, so that nothing evaporates.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from pesx.protocols import Potential


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes:
        kT: Thermal energies, ascending, well depths.
        n_chains: Independent ones.
        radius: Of the container about the centre of mass, sigma.
        time_step: Of the dynamics, sigma sqrt(m/epsilon).
        n_steps: Least and most steps of a trajectory.
    """

    kT: tuple[float, ...]  # noqa: N815
    n_chains: int = 32
    radius: float = 2.5
    time_step: float = 0.03
    n_steps: tuple[int, int] = (8, 20)

    def run(
        self, potential: Potential, start: torch.Tensor, *, n_trajectories: int, seed: int = 0
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give energies (T, C) and structures (T, C, N, 3) after each trajectory; C chains at T temperatures.

        Args:
            potential: In reduced units.
            start: Structure that all replicas start from, (N, 3).
            n_trajectories: How many.
            seed: Of everything random.
        """
        generator = torch.Generator().manual_seed(seed)
        kT = torch.tensor(self.kT, dtype=torch.float64)  # noqa: N806
        positions = start.double().expand(len(kT), self.n_chains, -1, -1).clone()
        now = potential(positions.flatten(0, 1))
        energy, forces = now.energy.view(len(kT), -1), now.forces.view_as(positions)
        for count in range(n_trajectories):
            positions, energy, forces = self._trajectory(potential, kT, (positions, energy, forces), generator)
            self._exchange(1 / kT, (positions, energy, forces), generator, count % 2)
            yield energy.clone(), positions

    def _trajectory(
        self,
        potential: Potential,
        kT: torch.Tensor,  # noqa: N803
        state: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        positions, energy, forces = state
        noise = torch.randn(positions.shape, generator=generator, dtype=torch.float64)
        velocity = noise * kT.sqrt()[:, None, None, None]
        before = energy + 0.5 * velocity.square().sum(dim=(2, 3))
        x, f, u = positions, forces, energy
        for _ in range(int(torch.randint(self.n_steps[0], self.n_steps[1] + 1, (), generator=generator))):
            velocity = velocity + 0.5 * self.time_step * f
            x = x + self.time_step * velocity
            now = potential(x.flatten(0, 1))
            u, f = now.energy.view_as(energy), now.forces.view_as(forces)
            velocity = velocity + 0.5 * self.time_step * f
        change = u + 0.5 * velocity.square().sum(dim=(2, 3)) - before
        is_inside = (x - x.mean(dim=2, keepdim=True)).norm(dim=3).amax(dim=2) < self.radius
        chance = torch.rand(energy.shape, generator=generator, dtype=torch.float64)
        is_taken = is_inside & (chance.log() < -change / kT[:, None])
        wide = is_taken[..., None, None]
        return torch.where(wide, x, positions), torch.where(is_taken, u, energy), torch.where(wide, f, forces)

    @staticmethod
    def _exchange(
        beta: torch.Tensor,
        state: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        generator: torch.Generator,
        first: int,
    ) -> None:
        """Exchange neighbours in temperature, in place; even and odd pairs take turns."""
        energy = state[1]
        for low in range(first, len(beta) - 1, 2):
            gain = (beta[low] - beta[low + 1]) * (energy[low] - energy[low + 1])
            chance = torch.rand(gain.shape, generator=generator, dtype=torch.float64)
            columns = (chance.log() < gain).nonzero()[:, 0]
            for part in state:
                upper = part[low, columns].clone()
                part[low, columns] = part[low + 1, columns]
                part[low + 1, columns] = upper
