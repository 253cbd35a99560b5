"""Choose among moves by what they earn: new minima per force evaluation, with a floor for each so that none dies out."""

from dataclasses import dataclass

import torch

from pesx.config import require
from pesx.errors import ConfigError
from pesx.typing import Float, Index, Mask, Tensor


@dataclass(frozen=True)
class Earnings:
    """What each move has brought lately; old hops count less and less.

    Attributes:
        found: New minima.
        spent: Force evaluations.
    """

    found: Float[Tensor, "K"]
    spent: Float[Tensor, "K"]

    @staticmethod
    def nothing(n_moves: int) -> "Earnings":
        """Return the earnings before the first hop."""
        zeros = torch.zeros(n_moves, dtype=torch.float64)
        return Earnings(found=zeros, spent=zeros)


@dataclass(frozen=True)
class Choice:
    """Settings of the choice.

    Attributes:
        floor: Least share of each move.
        forget: Factor by which a hop's weight falls with each later hop.
        prior: Force evaluations per new minimum that a move is trusted with before it has shown anything.
    """

    floor: float = 0.08
    forget: float = 0.998
    prior: float = 500.0

    def __post_init__(self) -> None:
        require(self, above_zero=["prior"], at_least_zero=["floor"], fractions=["forget"])
        if not self.floor <= 1:
            raise ConfigError(f"Expected Choice.floor of at most 1, came {self.floor}. Give a share.")

    def shares(self, earnings: Earnings) -> Float[Tensor, "K"]:
        """Return the chance of each move; they sum to 1."""
        n_moves = len(earnings.found)
        # Two hops' worth of prior keeps the rates finite and lets a few lucky finds not decide everything.
        rates = (earnings.found + 2.0) / (earnings.spent + 2.0 * self.prior)
        floor = min(self.floor, 1.0 / n_moves)
        return floor + (1.0 - n_moves * floor) * rates / rates.sum()

    def update(self, earnings: Earnings, move: Index, is_new: Mask, n_evaluations: Index) -> Earnings:
        """Return the earnings after more hops; a move number below 0 counts for none."""
        n_moves = len(earnings.found)
        counted = move >= 0
        hits = torch.nn.functional.one_hot(move.clamp(min=0), n_moves).double() * counted[:, None]
        decay = self.forget ** int(counted.sum())
        return Earnings(
            found=decay * earnings.found + (hits * is_new[:, None]).sum(dim=0),
            spent=decay * earnings.spent + (hits * n_evaluations[:, None]).sum(dim=0),
        )
