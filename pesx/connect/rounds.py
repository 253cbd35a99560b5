"""Which pairs are tried one after the other: what hops and distances suggest, then what is still missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pesx.config import require
from pesx.connect.jobs import Wanted
from pesx.connect.ledger import Ledger
from pesx.connect.pairs import Pair, hops, missing, near
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import Array, Quenches

AROUND = "around"


@dataclass(frozen=True)
class RoundSettings:
    """Which pairs to try.

    Attributes:
        n_neighbours: Each minimum is to be joined with so many of the nearest.
        n_around: Searches in all that start around each minimum, without a partner; they find rearrangements of one, too. None
            for a number that suits the molecule: 0 for one with bonds.
        window: Only minima up to this above the lowest, in the unit of energy of the run.
        most_rounds: Rounds for what is missing, each with another way round.
    """

    n_neighbours: int = 3
    n_around: int | None = None
    window: float = float("inf")
    most_rounds: int = 20

    def __post_init__(self) -> None:
        require(self, at_least_zero=["n_neighbours", "most_rounds"], above_zero=["window"])
        if self.n_around is not None:
            require(self, at_least_zero=["n_around"])


class Rounds:
    """Gives pairs, round by round.

    Args:
        settings: Which.
        quenches: Of the search, for its hops.
        minima: Archive of the run; it may grow between rounds.
        distances: Returns how far all minima of the archive are from each other.
        ledger: Knows what was tried and joined.
    """

    def __init__(
        self,
        settings: RoundSettings,
        quenches: Quenches,
        *,
        minima: MinimaArchive,
        distances: Callable[[], Array],
        ledger: Ledger,
    ) -> None:
        self._settings, self._quenches = settings, quenches
        self._minima, self._distances, self._ledger = minima, distances, ledger
        self._has_begun, self._n_rounds = False, 0

    def __call__(self) -> Sequence[Wanted]:
        """Return the pairs of the next round; none at the end."""
        if not self._has_begun:
            self._has_begun = True
            if first := self._first():
                return first
        if self._n_rounds >= self._settings.most_rounds or len(self._minima) < 2:
            return []
        self._n_rounds += 1
        inside = self._inside()
        rows = {int(number): row for row, number in enumerate(inside)}
        tried, joined = (
            [(rows[i], rows[j]) for i, j in pairs if i in rows and j in rows]
            for pairs in (self._ledger.tried(), self._ledger.joined())
        )
        energy = self._minima.energies.numpy()[inside]
        gaps = missing(self._distances()[np.ix_(inside, inside)], energy, joined, tried)
        return [Wanted(int(inside[i]), int(inside[j]), "missing") for i, j in gaps]

    def _first(self) -> list[Wanted]:
        inside = set(self._inside().tolist())
        energy = self._minima.energies.numpy()
        done = self._ledger.tried() | self._ledger.joined()
        pairs: dict[Pair, str] = {}
        if self._settings.n_neighbours and len(energy) > 1:
            pairs = dict.fromkeys(near(self._distances(), energy, n_neighbours=self._settings.n_neighbours), "near")
        pairs |= dict.fromkeys(hops(self._quenches, energy), "hop")
        wanted = [
            Wanted(*pair, reason)
            for pair, reason in sorted(pairs.items(), key=lambda item: max(energy[list(item[0])]))
            if set(pair) <= inside and pair not in done
        ]
        if self._settings.n_around:
            n_done = self._ledger.n_searched()
            n_left = {number: self._settings.n_around - n_done[number] for number in inside}
            alone = sorted(inside, key=lambda number: energy[number])
            wanted += [Wanted(number, number, AROUND, n_left[number]) for number in alone if n_left[number] > 0]
        return wanted

    def _inside(self) -> Array:
        energy = self._minima.energies.numpy()
        inside: Array = np.flatnonzero(energy <= energy.min(initial=np.inf) + self._settings.window)
        return inside


__all__ = ["RoundSettings", "Rounds"]
