"""What it takes to join minima."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.geometry.interpolate import Path
from pesx.landscape.sieve import Sieve
from pesx.protocols import Potential
from pesx.relax.modes import Hessian
from pesx.relax.quench import Convergence
from pesx.relax.two_stage import TwoStage
from pesx.saddles.band import Band
from pesx.saddles.follow import Follow
from pesx.state import Modes
from pesx.typing import Float, Positions, Tensor


@dataclass(frozen=True)
class Parts:
    """What it takes to join minima.

    Attributes:
        potential: Bound to the molecule.
        aligned: Returns the second structures with their like atoms exchanged and laid upon the first.
        path: Returns the first guess of a path between two structures laid upon each other.
        band: Relaxes it.
        rough: Follows its maxima towards transition states, in the precision of the bands.
        exact: Follows them to the end in float64.
        limits: When either is given up; ``fmax`` is not used.
        relaxation: Down on both sides, and polished.
        push: First displacement to either side, of the atom that moves most, angstrom.
        kick: Least norm of the displacement of searches that start around a minimum, angstrom.
        reach: The greatest is so many times as large; each search draws its own.
        sieve: Knows the molecule.
        modes: Returns all internal modes of stationary points.
        second: Returns the Hessians where searches start, for small systems; None to learn them on the way.
        highest: Height above the higher end of a path up to which its maxima are followed: what is far above any barrier
            between minima of the molecule leads to other molecules.
        is_free_to_move: 1 for each direction of space that the potential depends on, else 0.
    """

    potential: Potential
    aligned: Callable[[Positions, Positions], Positions]
    path: Callable[[Positions, Positions], Path]
    band: Band
    rough: Follow
    exact: Follow
    limits: Convergence
    relaxation: TwoStage
    push: float
    kick: float
    sieve: Sieve
    modes: Callable[[Positions], Modes]
    second: Callable[[Positions], Hessian] | None = None
    reach: float = 1.0
    highest: float = torch.inf
    is_free_to_move: Float[Tensor, "3"] | float = 1.0

    def __post_init__(self) -> None:
        require(self, above_zero=["push", "kick", "highest"], at_least_one=["reach"])


@dataclass(frozen=True)
class Sizes:
    """How much goes on at a time, and where.

    Attributes:
        n_bands: Bands.
        n_searches: Searches, and as many pairs of ways down.
        dtype: Of bands, rough searches and rough ways down.
        device: Of all of them.
        seed: Of the searches that start around minima.
    """

    n_bands: int = 8
    n_searches: int = 32
    dtype: torch.dtype = torch.float64
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        require(self, at_least_one=["n_bands", "n_searches"])
