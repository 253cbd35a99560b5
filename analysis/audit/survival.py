"""How long replicas last: Kaplan-Meier curves, where those that were still sound at the end of their run count as such.

A run that ends without failure says only that the failure would have come later; it is *censored*. At each time t_i at which
d_i of the n_i replicas still watched fail, the survival is multiplied by 1 - d_i / n_i. A replica censored at the time of a
failure was still at risk then.

Source: Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452; variance of Greenwood; log-log intervals of
Kalbfleisch and Prentice, doi:10.1002/9781118032985.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, chi2, norm

from pesx.errors import InputError

Array = NDArray[Any]

LEVEL = 0.95
"""Confidence level of all intervals."""


@dataclass(frozen=True)
class Survival:
    """A survival curve, constant between its times; arrays with one entry per time of failure, the first at time 0.

    Attributes:
        time: ps.
        at_risk: Replicas still watched just before.
        failed: Replicas that failed.
        survival: Estimated share that survives beyond the time.
        lower: Of its interval, point by point.
        upper: Of its interval.
        n: Replicas in all.
        n_censored: Replicas that ended without failure.
        watched: Time watched over all replicas, ps.
    """

    time: Array
    at_risk: Array
    failed: Array
    survival: Array
    lower: Array
    upper: Array
    n: int
    n_censored: int
    watched: float

    @property
    def n_failed(self) -> int:
        """Replicas that failed."""
        return self.n - self.n_censored

    @property
    def median(self) -> float | None:
        """First time at which half or less survive, ps; None where more than half always do."""
        below = self.survival <= 0.5
        return float(self.time[below.argmax()]) if below.any() else None

    def rate(self) -> tuple[float, float, float]:
        """Return failures per ns of watched time, and its exact Poisson interval; NaN where no time was watched."""
        ns = self.watched * 1e-3
        if not ns > 0:
            return (np.nan,) * 3
        lower, upper = poisson_interval(self.n_failed)
        return self.n_failed / ns, lower / ns, upper / ns

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        rate, lower, upper = (None if value != value else value for value in self.rate())
        return {
            "n": self.n,
            "n_failed": self.n_failed,
            "n_censored": self.n_censored,
            "watched_ps": self.watched,
            "median_ps": self.median,
            "failures_per_ns": {"value": rate, "lower": lower, "upper": upper},
            "curve": {
                "time_ps": self.time.tolist(),
                "at_risk": self.at_risk.tolist(),
                "failed": self.failed.tolist(),
                "survival": self.survival.tolist(),
                "lower": self.lower.tolist(),
                "upper": self.upper.tolist(),
            },
        }


def kaplan_meier(
    time: Sequence[float] | Array, is_failure: Sequence[bool] | Array, *, form: str = "log-log"
) -> Survival:
    """Return the survival curve of replicas.

    Where nobody has failed yet, no variance can be estimated; there the lower limit is the exact binomial one of n_i
    replicas without a failure (Clopper and Pearson), and so it is where all have failed, from the other side.

    Args:
        time: How long each was watched, until it failed or its run ended, ps.
        is_failure: Whether it failed then.
        form: Of the intervals: ``log-log``, which stay between 0 and 1, or ``greenwood``, symmetric and cut at 0 and 1.

    Raises:
        InputError: There are no replicas, or a time is negative or not finite, or the form is unknown.
    """
    times, failed = np.asarray(time, dtype=np.float64), np.asarray(is_failure, dtype=np.bool_)
    if times.ndim != 1 or len(times) == 0 or times.shape != failed.shape:
        raise InputError(
            f"Expected a time and a verdict for each replica; came {times.shape} and {failed.shape}. Give both."
        )
    if not (np.isfinite(times) & (times >= 0)).all():
        raise InputError("Expected times of at least 0; came a negative one or NaN. Correct it.")
    if form not in ("log-log", "greenwood"):
        raise InputError(f"Expected log-log or greenwood; came {form!r}. Choose one of them.")
    moments = np.unique(times[failed])
    at_risk = np.array([(times >= moment).sum() for moment in moments], dtype=np.int64)
    deaths = np.array([(times[failed] == moment).sum() for moment in moments], dtype=np.int64)
    survival = np.cumprod(1.0 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
    lower, upper = _limits(survival, greenwood, at_risk, form=form)
    n = len(times)
    return Survival(
        time=np.concatenate([[0.0], moments]),
        at_risk=np.concatenate([[n], at_risk]),
        failed=np.concatenate([[0], deaths]),
        survival=np.concatenate([[1.0], survival]),
        lower=np.concatenate([[clopper_pearson(n, n)[0]], lower]),
        upper=np.concatenate([[1.0], upper]),
        n=n,
        n_censored=int((~failed).sum()),
        watched=float(times.sum()),
    )


def _limits(survival: Array, greenwood: Array, at_risk: Array, *, form: str) -> tuple[Array, Array]:
    quantile = float(norm.ppf(0.5 + LEVEL / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        if form == "greenwood":
            half = quantile * survival * np.sqrt(greenwood)
            lower, upper = np.clip(survival - half, 0.0, 1.0), np.clip(survival + half, 0.0, 1.0)
        else:
            spread = quantile * np.sqrt(greenwood) / np.abs(np.log(survival))
            lower, upper = survival ** np.exp(spread), survival ** np.exp(-spread)
    gone = survival == 0.0
    none_left = np.array([clopper_pearson(0, int(n))[1] for n in at_risk])
    return np.where(gone, 0.0, lower), np.where(gone, none_left, upper)


def poisson_interval(count: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact interval of the mean of a Poisson count (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    tail = (1 - level) / 2
    lower = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return lower, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2


def clopper_pearson(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact interval of a proportion (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    tail = (1 - level) / 2
    lower = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    upper = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return lower, upper


__all__ = ["LEVEL", "Survival", "clopper_pearson", "kaplan_meier", "poisson_interval"]
