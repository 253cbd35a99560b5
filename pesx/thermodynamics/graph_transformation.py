"""First-passage times, committors and rates between groups of minima, by taking minima out of the network one by one.

A minimum is taken out by giving each way over it to the minima around: what leads i to x leads on to j with the share of x's
rates that leads there, and the time spent in x is added to that in i. What is left has the same first-passage times and the
same chances. The chance to leave x is a sum of rates, never one minus the chance to stay, and all numbers are logarithms; so
nothing is subtracted, nothing underflows, and results are exact to round-off whatever the spread of rates.

Source: Wales 2009, doi:10.1063/1.3133782; without subtraction as in Grassmann, Taksar and Heyman 1985,
doi:10.1287/opre.33.5.1107.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from pesx.errors import InputError
from pesx.landscape.records import Array


@dataclass(frozen=True)
class Passage:
    """How a group of minima, at equilibrium within itself, goes to another.

    Attributes:
        log_time: Natural logarithm of the mean first-passage time; infinite where some of the start never arrives.
        log_rate: Of the mean of the inverse times, the rate constant of Wales 2009; minus infinity where none arrives.
        log_steady_rate: Of the rate constant for direct ways, to the target before the start is met again, as if the start
            were kept at equilibrium; rates of both directions obey detailed balance.
        n_start: Minima of the start.
        n_lost: Those of them that may never arrive.
    """

    log_time: float
    log_rate: float
    log_steady_rate: float
    n_start: int
    n_lost: int

    @property
    def is_connected(self) -> bool:
        """Whether all of the start arrives."""
        return self.n_lost == 0

    @property
    def statement(self) -> str:
        """What is not connected, for a person; empty where all is."""
        if self.is_connected:
            return ""
        if self.n_lost == self.n_start:
            return "not connected: no transition states known lead from the start to the target; the time is infinite"
        return (
            f"not connected: from {self.n_lost} of {self.n_start} minima of the start no transition states known lead to the "
            "target; the mean time is infinite, the rates are those of the others"
        )


def passage(log_rates: Array, log_population: Array, start: Array, target: Array) -> Passage:
    """Return how one group of minima goes to another.

    Args:
        log_rates: Natural logarithms of the rates from row to column, (M, M); minus infinity for none.
        log_population: Of the share of each minimum in equilibrium, (M,), up to a constant.
        start: Rows of the minima of the start.
        target: Rows of the minima of the target.

    Raises:
        InputError: A group is empty, or a minimum is in both.
    """
    start, target = _rows(start, log_rates), _rows(target, log_rates)
    _require_apart(start, target)
    weight = log_population[start] - logsumexp(log_population[start])
    times = log_passage_times(log_rates, target)[start]
    arrives = log_committor(log_rates, start, target)
    # Minima between that never arrive have no committor; no way over them counts.
    direct = log_rates[start] + np.where(np.isnan(arrives), -np.inf, arrives)
    return Passage(
        log_time=float(logsumexp(weight + times)),
        log_rate=float(logsumexp(weight - times)),
        log_steady_rate=float(logsumexp(weight[:, None] + direct)),
        n_start=len(start),
        n_lost=int(np.isinf(times).sum()),
    )


def log_passage_times(log_rates: Array, target: Array) -> Array:
    """Return the natural logarithm of the mean time to reach a target for the first time, from each minimum, (M,).

    Minus infinity for the target itself; infinite where it may never be reached.

    Args:
        log_rates: Natural logarithms of the rates from row to column, (M, M); minus infinity for none.
        target: Rows of the minima of the target.
    """
    target = _rows(target, log_rates)
    is_target = _mask(target, log_rates)
    is_between = ~is_target & ~_may_be_lost(log_rates, is_target)
    times = np.where(is_target, -np.inf, np.inf)
    for row, onward, share, stay in reversed(_taken_out(log_rates, is_between, is_target)):
        times[row] = logsumexp(np.append(share + times[onward], stay))
    return times


def log_committor(log_rates: Array, start: Array, target: Array) -> Array:
    """Return the natural logarithm of the chance to reach a target before a start, from each minimum, (M,).

    Minus infinity (no chance) in the start, 0 (certain) in the target, NaN for minima that may reach neither.

    Args:
        log_rates: Natural logarithms of the rates from row to column, (M, M); minus infinity for none.
        start: Rows of the minima of the start.
        target: Rows of the minima of the target.
    """
    start, target = _rows(start, log_rates), _rows(target, log_rates)
    _require_apart(start, target)
    is_end = _mask(np.concatenate((start, target)), log_rates)
    is_between = ~is_end & ~_may_be_lost(log_rates, is_end)
    chance = np.full(len(log_rates), np.nan)
    chance[start], chance[target] = -np.inf, 0.0
    for row, onward, share, _ in reversed(_taken_out(log_rates, is_between, is_end)):
        chance[row] = logsumexp(share + chance[onward])
    certain_at_most: Array = np.minimum(chance, 0.0)
    return certain_at_most


def _taken_out(log_rates: Array, is_between: Array, is_end: Array) -> list[tuple[int, Array, Array, float]]:
    """Take out the minima between the ends, those with the fewest neighbours first.

    Returns:
        In the order of taking out: the row, the rows that it led to by then, the logarithms of its shares, and the logarithm
        of the time until it led there, that in minima taken out before included.
    """
    rows = np.flatnonzero(is_between | is_end)
    rates = log_rates[np.ix_(rows, rows)].astype(np.float64)
    np.fill_diagonal(rates, -np.inf)
    is_left, waits = np.ones(len(rows), dtype=bool), np.zeros(len(rows))
    can_go = is_between[rows]
    n_near = np.isfinite(rates).sum(axis=1)
    steps = []
    while can_go.any():
        row = int(np.argmin(np.where(can_go, n_near, len(rows) + 1)))
        can_go[row] = is_left[row] = False
        onward = np.flatnonzero(is_left & np.isfinite(rates[row]))
        from_where = np.flatnonzero(can_go & np.isfinite(rates[:, row]))
        out = logsumexp(rates[row, onward])
        share, stay = rates[row, onward] - out, waits[row] - out
        steps.append((int(rows[row]), rows[onward], share, float(stay)))
        into = rates[from_where, row]
        block = np.ix_(from_where, onward)
        rates[block] = np.logaddexp(rates[block], into[:, None] + share)
        # A way back to where it came from is no way: it only adds to the time.
        rates[from_where, from_where] = -np.inf
        waits[from_where] = np.logaddexp(waits[from_where], into + stay)
        n_near[from_where] = (np.isfinite(rates[from_where]) & is_left).sum(axis=1)
    return steps


def _may_be_lost(log_rates: Array, is_target: Array) -> Array:
    """Return from which minima one may get to where no way leads to the target, (M,)."""
    leads = np.isfinite(log_rates) & ~is_target[:, None]  # what has arrived stays
    return _reaching(leads, ~_reaching(leads, is_target))


def _reaching(leads: Array, is_goal: Array) -> Array:
    """Return from which minima the goal can be reached, (M,); those of the goal among them."""
    reached = is_goal.copy()
    newest = reached
    while newest.any():
        newest = leads[:, newest].any(axis=1) & ~reached
        reached = reached | newest
    return reached


def _rows(group: Array, log_rates: Array) -> Array:
    """Return the rows of a group, each once."""
    rows: Array = np.unique(np.asarray(group, dtype=np.int64))
    if not rows.size or rows[0] < 0 or rows[-1] >= len(log_rates):
        raise InputError(f"Expected rows of {len(log_rates)} minima; came {rows.tolist()}. Name at least one of them.")
    return rows


def _mask(rows: Array, log_rates: Array) -> Array:
    mask = np.zeros(len(log_rates), dtype=bool)
    mask[rows] = True
    return mask


def _require_apart(start: Array, target: Array) -> None:
    both = np.intersect1d(start, target)
    if both.size:
        raise InputError(
            f"Expected two groups without a common minimum; came {both.tolist()} in both. Take them out of one."
        )
