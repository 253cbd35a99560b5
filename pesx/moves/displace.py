"""Move every atom a little: the Cartesian step of basin hopping (Wales and Doye 1997, doi:10.1021/jp970984n)."""

from dataclasses import dataclass

from pesx.config import require
from pesx.streams import Streams
from pesx.typing import PerReplica, Positions


@dataclass(frozen=True)
class Displace:
    """Displace each coordinate by a number uniform in [-step, step].

    Attributes:
        step: Largest displacement of a coordinate at scale 1, angstrom.
    """

    step: float = 0.35

    def __post_init__(self) -> None:
        require(self, above_zero=["step"])

    def __call__(self, positions: Positions, scale: PerReplica, streams: Streams) -> Positions:
        """Return displaced positions, angstrom."""
        draws = 2 * streams.uniform(*positions.shape[1:]) - 1
        return positions + self.step * scale[:, None, None] * draws
