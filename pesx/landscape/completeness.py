"""How much of a landscape a run has not seen, from how often it saw what it has seen.

With n quenches, of which f1 minima were visited once and f2 twice:

    unseen mass   M0 = f1 / n                                 (Good and Turing; doi:10.1093/biomet/40.3-4.237)
    number        S  = S_obs + (n - 1)/n f1^2 / (2 f2)        (Chao; doi:10.2307/2531532)

And from two parts of a search, which saw n1 and n2 minima, m of them both:

    number        S  = (n1 + 1)(n2 + 1)/(m + 1) - 1           (Chapman 1951, Univ. Calif. Publ. Stat. 1, 131)
"""

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import NormalDist

from pesx.errors import InputError
from pesx.typing import Bool, Int, Tensor

WARNING = (
    "Both estimates are biased low: the unseen mass is the chance that the next quench of this same search is new, "
    "not the share of minima still missing, and the estimated number is a lower bound."
)
"""To be shown wherever the estimates are."""


@dataclass(frozen=True)
class Completeness:
    """What visit counts say about the minima not yet visited; see :data:`WARNING`.

    Attributes:
        n_minima: Distinct minima visited.
        n_visits: Quenches that ended in them.
        n_once: Minima visited once, f1.
        n_twice: Minima visited twice, f2.
        unseen_mass: Chance that the next quench is new.
        unseen_mass_upper: Its upper confidence bound.
        n_estimated: Lower bound of the number of minima that this search can reach.
        n_estimated_lower: Lower end of its confidence interval.
        n_estimated_upper: Upper end of its confidence interval.
        confidence: Of the bound (one-sided) and of the interval (two-sided).
    """

    n_minima: int
    n_visits: int
    n_once: int
    n_twice: int
    unseen_mass: float
    unseen_mass_upper: float
    n_estimated: float
    n_estimated_lower: float
    n_estimated_upper: float
    confidence: float

    @property
    def sentence(self) -> str:
        """The estimates for a person, with the warning."""
        if not self.n_visits:
            return "Nothing was visited yet, so nothing can be said about completeness."
        return (
            f"{self.n_minima} minima in {self.n_visits} quenches. Unseen mass {self.unseen_mass:.2g} "
            f"(below {self.unseen_mass_upper:.2g} at {self.confidence:.0%}); at least {self.n_estimated:.0f} minima "
            f"({self.n_estimated_lower:.0f} to {self.n_estimated_upper:.0f} at {self.confidence:.0%}). {WARNING}"
        )


def completeness(visits: Int[Tensor, "M"], *, confidence: float = 0.95) -> Completeness:
    """Estimate what is still unseen from visit counts.

    Args:
        visits: How many quenches ended in each minimum; zeros are passed over. For an energy window, the counts of the
            minima in it: estimates near the bottom are far better, because basins there are wide.
        confidence: Between 0.5 and 1.

    Accuracy: The bound on the mass is normal (asymptotic), but never below -ln(1 - confidence)/n, the exact limit when
        nothing rare was seen. A bound free of assumptions exists (McAllester and Schapire 2000), but adds about
        9/sqrt(n), which is useless at the masses of interest. All assume that quenches are independent, which those
        of a walk are not.

    Source: variance of the mass, Esty 1983, doi:10.1214/aos/1176346256; interval of the number, Chao 1987,
        doi:10.2307/2531532, and Colwell 2012, doi:10.1093/jpe/rtr044.
    """
    if not 0.5 <= confidence < 1:
        raise InputError(f"Expected a confidence from 0.5 to below 1, not {confidence}. 0.95 is usual.")
    counts = visits[visits > 0]
    n, n_minima = int(counts.sum()), len(counts)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    if n == 0:
        return Completeness(0, 0, 0, 0, 1.0, 1.0, 0.0, 0.0, inf, confidence)
    estimate, low, high = _chao(counts, once, twice, NormalDist().inv_cdf(0.5 + confidence / 2))
    return Completeness(
        n_minima=n_minima,
        n_visits=n,
        n_once=once,
        n_twice=twice,
        unseen_mass=once / n,
        unseen_mass_upper=_mass_bound(n, once, twice, confidence),
        n_estimated=estimate,
        n_estimated_lower=low,
        n_estimated_upper=high,
        confidence=confidence,
    )


@dataclass(frozen=True)
class Recapture:
    """How many minima two parts of a search say there are; made by :func:`recapture`.

    Attributes:
        n_first: Minima that the first part saw.
        n_second: Minima that the second part saw.
        n_both: Minima that both saw.
        n_estimated: Number of minima, a lower bound where some are harder to find than others for both parts.
        n_estimated_lower: Lower end of its confidence interval, at least the minima seen.
        n_estimated_upper: Upper end of its confidence interval.
        confidence: Of the interval (two-sided).
    """

    n_first: int
    n_second: int
    n_both: int
    n_estimated: float
    n_estimated_lower: float
    n_estimated_upper: float
    confidence: float

    @property
    def sentence(self) -> str:
        """The estimate for a person."""
        return (
            f"One half of the walkers saw {self.n_first} minima, the other {self.n_second}, both {self.n_both}: about "
            f"{self.n_estimated:.0f} in all ({self.n_estimated_lower:.0f} to {self.n_estimated_upper:.0f} at "
            f"{self.confidence:.0%})."
        )


def recapture(first: Bool[Tensor, "M"], second: Bool[Tensor, "M"], *, confidence: float = 0.95) -> Recapture:
    """Estimate the number of minima from two parts of a search, the second of which catches again what the first has seen.

    Args:
        first: Which minima the first part saw.
        second: Which the second part saw.
        confidence: Between 0.5 and 1.

    Accuracy: Unbiased where all minima are found equally easily and the parts know nothing of each other. Neither is quite so:
        narrow basins are missed by both, and walkers that share an archive are drawn apart or together.

    Source: variance, Seber 1970, Biometrics 26, 13; log-normal interval of the number unseen, Chao 1987,
        doi:10.2307/2531532.
    """
    if not 0.5 <= confidence < 1:
        raise InputError(f"Expected a confidence from 0.5 to below 1, not {confidence}. 0.95 is usual.")
    n_first, n_second, n_both = int(first.sum()), int(second.sum()), int((first & second).sum())
    seen = n_first + n_second - n_both
    estimate = (n_first + 1) * (n_second + 1) / (n_both + 1) - 1
    unseen = estimate - seen
    missed = (n_first - n_both) * (n_second - n_both)
    variance = (n_first + 1) * (n_second + 1) * missed / ((n_both + 1) ** 2 * (n_both + 2))
    factor = 1.0
    if unseen > 0:
        factor = exp(NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(log(1 + variance / unseen**2)))
    return Recapture(
        n_first=n_first,
        n_second=n_second,
        n_both=n_both,
        n_estimated=estimate,
        n_estimated_lower=seen + unseen / factor,
        n_estimated_upper=seen + unseen * factor,
        confidence=confidence,
    )


def _mass_bound(n: int, once: int, twice: int, confidence: float) -> float:
    spread = sqrt(max(once * (1 - once / n), 0.0) + 2 * twice) / n
    normal = once / n + NormalDist().inv_cdf(confidence) * spread
    return min(1.0, max(normal, -log(1 - confidence) / n))


def _chao(counts: Tensor, once: int, twice: int, z: float) -> tuple[float, float, float]:
    """Return the number of minima and the ends of its interval."""
    seen, n = len(counts), int(counts.sum())
    share = (n - 1) / n
    if twice:
        ratio = once / twice
        unseen = share * once * ratio / 2
        variance = twice * (share / 2 * ratio**2 + share**2 * ratio**3 + share**2 / 4 * ratio**4)
    else:
        unseen = share * once * (once - 1) / 2
        variance = share * once * (once - 1) / 2 + share**2 * once * (2 * once - 1) ** 2 / 4
        variance -= share**2 * once**4 / (4 * (seen + unseen))
    if unseen > 0:
        factor = exp(z * sqrt(log(1 + max(variance, 0.0) / unseen**2)))
        return seen + unseen, seen + unseen / factor, seen + unseen * factor
    return float(seen), float(seen), _all_seen_bound(counts, n, z)


def _all_seen_bound(counts: Tensor, n: int, z: float) -> float:
    """Return the upper end of the interval when the estimate is that all were seen (Colwell 2012, eq. 8)."""
    chance = (-counts.double()).exp()  # of having missed a minimum that was visited this often
    missed = float(chance.sum())
    variance = missed - float((-2 * counts.double()).exp().sum()) - float((counts * chance).sum()) ** 2 / n
    seen_share = 1 - missed / len(counts)
    return (len(counts) + z * sqrt(max(variance, 0.0))) / seen_share
