"""Where a search stands, and when it has done enough."""

from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from pesx.errors import ConfigError
from pesx.typing import Int, Tensor


@dataclass(frozen=True)
class Progress:
    """A search at one moment.

    Attributes:
        n_minima: Distinct minima inside the energy window.
        n_stored: Distinct minima in the archive; some may have come to lie outside the window since.
        lowest: Lowest energy, eV.
        n_quenches: Quenches, of any outcome.
        n_since_new: Quenches since the last new minimum.
        n_evaluations: Force evaluations over all replicas.
        occupancy: Share of the slots that were busy, over the whole run.
        seconds: Time spent, over the whole run, stops left out.
        visits: How often each minimum inside the window was found.
        outcomes: Quenches by outcome.
    """

    n_minima: int
    n_stored: int
    lowest: float
    n_quenches: int
    n_since_new: int
    n_evaluations: int
    occupancy: float
    seconds: float
    visits: Int[Tensor, "K"]
    outcomes: dict[int, int] = field(default_factory=dict)


class Reason(NamedTuple):
    """A limit that a search has met.

    Attributes:
        limit: Name of the attribute of :class:`Stop`.
        text: Why the search stops, for a person.
        higher: Value of this limit with which the search goes on, for as much again.
    """

    limit: str
    text: str
    higher: int


@dataclass(frozen=True)
class Stop:
    """Limits of a search; the first one met ends it.

    Attributes:
        n_minima: Distinct minima inside the energy window.
        max_evaluations: Force evaluations over all replicas.
        max_quenches: Quenches.
        max_seconds: Time.
        patience: Quenches without a new minimum per minimum in the archive, and at least :attr:`least_patience` of them;
            infinite for never.
        least_patience: See above.
    """

    n_minima: int
    max_evaluations: int | None = None
    max_quenches: int | None = None
    max_seconds: float | None = None
    patience: float = 30.0
    least_patience: int = 2000

    def __post_init__(self) -> None:
        limits = {
            "n_minima": self.n_minima,
            "max_evaluations": self.max_evaluations,
            "max_quenches": self.max_quenches,
            "max_seconds": self.max_seconds,
        }
        for name, limit in limits.items():
            if limit is not None and not limit > 0:
                raise ConfigError(f"{name}: expected a number above 0, came {limit}. Give at least 1.")

    def met(self, progress: Progress) -> list[Reason]:
        """Return all limits that are met; none to go on."""
        # One minimum at least, because infinite patience times none is not a number.
        n_stored = max(progress.n_stored, 1)
        limits = (
            ("n_minima", progress.n_minima, self.n_minima, "found the {:d} minima asked for"),
            (
                "max_evaluations",
                progress.n_evaluations,
                self.max_evaluations,
                "used the {:d} force evaluations allowed",
            ),
            ("max_quenches", progress.n_quenches, self.max_quenches, "used the {:d} quenches allowed"),
            ("max_seconds", progress.seconds, self.max_seconds, "used the {:.0f} s allowed"),
        )
        met = [
            Reason(name, text.format(limit), ceil(2 * value))
            for name, value, limit, text in limits
            if limit is not None and value >= limit
        ]
        n_since = progress.n_since_new
        if n_since >= max(self.least_patience, self.patience * n_stored):
            text = f"found nothing new in the last {n_since} quenches"
            met.append(Reason("patience", text, ceil(2 * n_since / n_stored)))
        return met

    def reason(self, progress: Progress) -> str | None:
        """Return why to stop, or None to go on."""
        met = self.met(progress)
        return met[0].text if met else None
