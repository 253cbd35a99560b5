"""Where walkers without a minimum start."""

from dataclasses import dataclass

import torch

from pesx.errors import ConfigError
from pesx.protocols import Move
from pesx.streams import Streams
from pesx.typing import Float, Index, Positions, Tensor


@dataclass(frozen=True)
class RandomSphere:
    """Atoms at random in a sphere: the start of a cluster search.

    Attributes:
        n_atoms: Number of atoms.
        bond_length: Nearest-neighbour distance, angstrom; the sphere has about the volume of the cluster.
    """

    n_atoms: int
    bond_length: float = 1.12

    def __call__(self, walkers: Index, hops: Index, streams: Streams) -> Positions:  # noqa: ARG002
        """Return random positions, angstrom."""
        directions = streams.normal(self.n_atoms, 3)
        directions = directions / torch.linalg.vector_norm(directions, dim=-1, keepdim=True)
        # 0.64 of a sphere filled by spheres is random close packing; room to spare lets the quench decide.
        radius = 0.5 * self.bond_length * (self.n_atoms / 0.45) ** (1 / 3)
        positions: Positions = radius * directions * streams.uniform(self.n_atoms, 1) ** (1 / 3)
        return positions


@dataclass(frozen=True)
class Conformers:
    """A list of geometries, dealt to the walkers; one that failed is displaced before it is tried again.

    Attributes:
        positions: The geometries, the input first, angstrom.
        move: Displaces them.
    """

    positions: Float[Tensor, "C N 3"]
    move: Move

    def __post_init__(self) -> None:
        if len(self.positions) == 0:
            raise ConfigError("Expected Conformers.positions with at least one geometry, came none. Add the input.")

    def __call__(self, walkers: Index, hops: Index, streams: Streams) -> Positions:
        """Return one geometry for each walker, angstrom."""
        chosen = self.positions[walkers % len(self.positions)]
        displaced = self.move(chosen, torch.ones(len(chosen), dtype=torch.float64), streams)
        is_first = (hops == 0) & (walkers < len(self.positions))
        return torch.where(is_first[:, None, None], chosen, displaced)
