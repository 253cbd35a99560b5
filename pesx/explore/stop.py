"""Where a search stands, and when it has done enough."""

from dataclasses import dataclass, field

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
        seconds: Time spent, over all sessions of the run.
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

    def reason(self, progress: Progress) -> str | None:
        """Return why to stop, or None to go on."""
        if progress.n_minima >= self.n_minima:
            return f"found the {self.n_minima} minima asked for"
        if self.max_evaluations is not None and progress.n_evaluations >= self.max_evaluations:
            return f"used the {self.max_evaluations} force evaluations allowed"
        if self.max_quenches is not None and progress.n_quenches >= self.max_quenches:
            return f"used the {self.max_quenches} quenches allowed"
        if self.max_seconds is not None and progress.seconds >= self.max_seconds:
            return f"used the {self.max_seconds:.0f} s allowed"
        # One minimum at least, because infinite patience times none is not a number.
        wait = max(self.least_patience, self.patience * max(progress.n_stored, 1))
        if progress.n_since_new >= wait:
            return f"found nothing new in the last {progress.n_since_new} quenches"
        return None
