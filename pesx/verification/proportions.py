"""Shares of a sample and what they say about all it was drawn from."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from pesx.errors import InputError


@dataclass(frozen=True)
class Proportion:
    """How many of a sample have a property.

    Attributes:
        count: Those that have it.
        total: All.
    """

    count: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.total:
            raise InputError(f"Expected a count from 0 to the total; came {self.count} of {self.total}.")

    @property
    def share(self) -> float:
        """Count over total; NaN for an empty sample."""
        return self.count / self.total if self.total else float("nan")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the score interval of the share; from 0 to 1 for an empty sample.

        Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
        """
        if not self.total:
            return 0.0, 1.0
        z = _quantile(confidence)
        n, p = self.total, self.share
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        # Rounding must not put 0 or 1 outside where nothing or everything counts.
        return (0.0 if self.count == 0 else middle - half), (1.0 if self.count == n else middle + half)

    def minus(self, other: "Proportion", confidence: float = 0.95) -> tuple[float, float, float]:
        """Return the difference of two shares of independent samples, and the ends of its interval.

        Source: Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10.
        """
        if not (self.total and other.total):
            return float("nan"), -1.0, 1.0
        (low, high), (other_low, other_high) = self.interval(confidence), other.interval(confidence)
        difference = self.share - other.share
        below = sqrt((self.share - low) ** 2 + (other_high - other.share) ** 2)
        above = sqrt((high - self.share) ** 2 + (other.share - other_low) ** 2)
        return difference, difference - below, difference + above

    def as_json(self) -> dict[str, float | int | None]:
        """Return counts, share and interval as plain values."""
        low, high = self.interval()
        share = self.share if self.total else None
        return {"count": self.count, "total": self.total, "share": share, "lower": low, "upper": high}

    def __str__(self) -> str:
        if not self.total:
            return "none"
        low, high = self.interval()
        return f"{self.count} of {self.total}, {self.share:.0%} ({low:.0%} to {high:.0%})"


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"Expected a confidence between 0 and 1; came {confidence}. Choose for example 0.95.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


__all__ = ["Proportion"]
