"""What it takes to join minima."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from pesx.config import require
from pesx.connect.around import Around
from pesx.geometry.interpolate import Path
from pesx.landscape.sieve import Sieve
from pesx.protocols import Potential
from pesx.relax.modes import Hessian
from pesx.relax.quench import Convergence
from pesx.relax.two_stage import TwoStage
from pesx.saddles.band import Band
from pesx.saddles.follow import Follow
from pesx.state import Modes
from pesx.typing import Positions


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
        sieve: Knows the molecule.
        modes: Returns all internal modes of stationary points.
        around: Where searches start that have no path.
        second: Returns the Hessians where searches start, for small systems; None to learn them on the way.
        renew: Steps after which such Hessians are worked out anew.
        highest: Height above the higher end of a path up to which its maxima are followed: what is far above any barrier
            between minima of the molecule leads to other molecules.
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
    sieve: Sieve
    modes: Callable[[Positions], Modes]
    second: Callable[[Positions], Hessian] | None = None
    renew: int = 40
    around: Around = field(default_factory=Around)
    highest: float = torch.inf

    def __post_init__(self) -> None:
        require(self, above_zero=["push", "highest"], at_least_one=["renew"])


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
