"""The values of an exploration: walkers, what they want next, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch

from pesx.outcome import Outcome
from pesx.state import Found, Minima
from pesx.streams import Streams
from pesx.typing import Energies, Float, Index, Int, Mask, PerReplica, Positions, Tensor, Velocities

MEMORY = 32
"""How many of its last minima a walker remembers."""

Seeds = Callable[[Index, Index, Streams], Positions]
"""From walkers, their hop counts and streams to positions to start from, angstrom."""


@dataclass(frozen=True)
class Walkers:
    """Everything an explorer knows of its walkers. A walker outlives the replicas that make its hops.

    Attributes:
        positions: The minimum each walker is at, angstrom, float64.
        energy: Its energy, eV; infinite before the first quench.
        minimum: Its number in the archive, -1 if it is not there.
        n_hops: Hops proposed so far; with the walker's number it names the random stream of the next.
        kT: Metropolis temperature (basin hopping) or temperature of the escape (minima hopping), eV.
        threshold: Rise in energy that minima hopping accepts, eV.
        scale: Factor on the size of moves.
        idle: Hops since this walker last found something that nobody had found.
        recent: The walker's last minima in the archive, newest first, padded with -1.
        method: Which of several explorers moves it.
    """

    positions: Positions
    energy: Energies
    minimum: Index
    n_hops: Index
    kT: PerReplica  # noqa: N815
    threshold: PerReplica
    scale: PerReplica
    idle: Index
    recent: Int[Tensor, "B R"]
    method: Index

    @staticmethod
    def start(positions: Positions, *, kT: PerReplica, threshold: float) -> "Walkers":  # noqa: N803
        """Return walkers that have made no hop.

        Args:
            positions: Any positions (B, N, 3); they are replaced by the first minimum.
            kT: First temperature, eV.
            threshold: First threshold, eV.
        """
        n_walkers = len(positions)
        counts = torch.zeros(n_walkers, dtype=torch.long)
        return Walkers(
            positions=positions.double(),
            energy=torch.full((n_walkers,), torch.inf, dtype=torch.float64),
            minimum=torch.full_like(counts, -1),
            n_hops=counts,
            kT=kT.double(),
            threshold=torch.full((n_walkers,), threshold, dtype=torch.float64),
            scale=torch.ones(n_walkers, dtype=torch.float64),
            idle=counts,
            recent=torch.full((n_walkers, MEMORY), -1, dtype=torch.long),
            method=counts,
        )


@dataclass(frozen=True)
class Hops:
    """What walkers want to do next.

    Attributes:
        positions: Where to start, angstrom.
        velocities: Direction of the escape; unused where ``kinetic`` is zero.
        kinetic: Kinetic energy of the escape, eV; zero to quench at once.
        move: Number of the move in the list of moves.
    """

    positions: Positions
    velocities: Velocities
    kinetic: PerReplica
    move: Index


@dataclass(frozen=True)
class Settled:
    """What became of hops.

    Attributes:
        minima: Where the quenches ended.
        found: What the archive said.
        uniform: A number in [0, 1) for each, for decisions by chance.
    """

    minima: Minima
    found: Found
    uniform: PerReplica

    @property
    def is_usable(self) -> Mask:
        """Whether the walker could stand there: a minimum of the right molecule, in the energy window or above it."""
        outcome = self.minima.outcome
        return (outcome == Outcome.CONVERGED) | (outcome == Outcome.OUTSIDE_WINDOW)


@runtime_checkable
class Explorer(Protocol):
    """How walkers choose hops and learn from them. All state is in the walkers."""

    def start(self, positions: Positions) -> Walkers:
        """Return walkers, one per row, that have made no hop."""
        ...

    def propose(self, walkers: Walkers, shares: Float[Tensor, "K"], streams: Streams) -> Hops:
        """Return the next hop of each walker; ``shares`` are the chances of the moves."""
        ...

    def update(self, walkers: Walkers, settled: Settled) -> tuple[Walkers, Mask]:
        """Return the walkers after their hops, and which of them accepted the new minimum."""
        ...


def stand(walkers: Walkers, settled: Settled, accepted: Mask) -> Walkers:
    """Return the walkers at their new minima where they accepted them, with their memories brought up to date."""
    visited = settled.found.index >= 0
    shifted = torch.cat([settled.found.index[:, None], walkers.recent[:, :-1]], dim=1)
    return replace(
        walkers,
        positions=torch.where(accepted[:, None, None], settled.minima.positions, walkers.positions),
        energy=torch.where(accepted, settled.minima.energy, walkers.energy),
        minimum=torch.where(accepted, settled.found.index, walkers.minimum),
        idle=torch.where(settled.found.is_new, 0, walkers.idle + 1),
        recent=torch.where(visited[:, None], shifted, walkers.recent),
    )
