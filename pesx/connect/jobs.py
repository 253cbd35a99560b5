"""What is wanted, what is known of a search on its way, and how far it all is."""

from dataclasses import dataclass, field

from pesx.outcome import Outcome
from pesx.saddles.search import Saddles
from pesx.state import Minima
from pesx.typing import Float, Tensor


@dataclass(frozen=True)
class Wanted:
    """A pair of minima to join.

    Attributes:
        first: Number of one.
        second: Number of the other; the same for searches that start around one minimum, without a path.
        reason: Why this pair.
        n_searches: How many searches start around a minimum.
    """

    first: int
    second: int
    reason: str
    n_searches: int = 0


@dataclass
class Search:
    """What is known of one search on its way.

    Attributes:
        connection: Number of the connection whose path it starts on.
        start: Where, angstrom.
        tangent: Direction of the path there, unit norm; zero where there is none.
        pair: A displacement, angstrom, and the fall of the forces along it, eV/angstrom; zero where it is not known.
        n_evaluations: Force evaluations so far.
        saddle: The stationary point it found.
        log_product: See :class:`~pesx.state.Modes`.
        key: Its chemistry.
        ends: Where the ways down ended, by side.
    """

    connection: int
    start: Float[Tensor, "N 3"]
    tangent: Float[Tensor, "N 3"]
    pair: tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]
    n_evaluations: int = 0
    saddle: Saddles | None = None
    log_product: float = float("nan")
    key: str = ""
    ends: dict[int, Minima] = field(default_factory=dict)


@dataclass(frozen=True)
class Joined:
    """How far it is.

    Attributes:
        n_pairs: Paths that were relaxed.
        n_waiting: Pairs that wait.
        n_transition_states: Distinct transition states in the run.
        n_minima: Minima in the run.
        n_new_minima: Those of them that were found on the way.
        n_evaluations: Force evaluations spent.
        outcomes: Counts of how searches ended.
        seconds: Time spent.
    """

    n_pairs: int
    n_waiting: int
    n_transition_states: int
    n_minima: int
    n_new_minima: int
    n_evaluations: int
    outcomes: dict[Outcome, int]
    seconds: float


__all__ = ["Joined", "Search", "Wanted"]
