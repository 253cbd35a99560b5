"""How a search stands while it runs: a live panel on a terminal, a plain line now and then elsewhere and in the log."""

from math import isfinite
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from pesx.cli.amounts import time_text
from pesx.explore.stop import Progress, Stop
from pesx.landscape.completeness import completeness

LINE_EVERY = 30.0
"""Time between plain lines, s."""

REFRESH_EVERY = 0.25
"""Time between updates of the panel, s."""

_LEAST_BASIS = 3
"""Fewer new minima, or seconds, than this are no basis for an estimate."""


class Forecast:
    """Estimates when a search will be done.

    The rate is that of the last third of the time since it was started or resumed.

    Args:
        stop: Limits of the search.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._seen: list[Progress] = []

    def note(self, progress: Progress) -> None:
        """Take in where the search stands."""
        if not self._seen:
            self._seen.append(progress)
            return
        spacing = max(0.5, (progress.seconds - self._seen[0].seconds) / 300)
        if progress.seconds - self._seen[-1].seconds >= spacing:
            self._seen.append(progress)

    def text(self, progress: Progress) -> str:
        """Return the time left for a person; ``unknown`` where nothing supports a number."""
        expected, limit = self._expected(progress), self._limit(progress)
        if expected is not None and (limit is None or expected < limit):
            return f"about {time_text(expected)}"
        return "unknown" if limit is None else f"at most {time_text(max(limit, 0.0))}"

    def _basis(self, progress: Progress) -> Progress:
        """Return where the search stood when the last third of the time since it was started or resumed began."""
        begin = self._seen[0].seconds
        start = begin + (progress.seconds - begin) * 2 / 3
        return next((old for old in reversed(self._seen) if old.seconds <= start), self._seen[0])

    def _expected(self, progress: Progress) -> float | None:
        """Return the seconds to the minima asked for."""
        if not self._seen:
            return None
        old = self._basis(progress)
        seconds, found = progress.seconds - old.seconds, progress.n_minima - old.n_minima
        if seconds < _LEAST_BASIS or found < _LEAST_BASIS:
            return None
        return (self._stop.n_minima - progress.n_minima) * seconds / found

    def _limit(self, progress: Progress) -> float | None:
        """Return the seconds to the first limit that will be met for sure."""
        left = []
        if self._stop.max_seconds is not None:
            left.append(self._stop.max_seconds - progress.seconds)
        old = self._basis(progress) if self._seen else progress
        counts = (
            (self._stop.max_evaluations, old.n_evaluations, progress.n_evaluations),
            (self._stop.max_quenches, old.n_quenches, progress.n_quenches),
        )
        for limit, before, now in counts:
            if limit is not None and now > before:
                left.append((limit - now) * (progress.seconds - old.seconds) / (now - before))
        return min(left, default=None)


class Display:
    """Shows progress; a context manager, and the observer of :meth:`pesx.run.Run.go`.

    Args:
        stop: Limits of the search.
        is_reduced: Whether energies have no unit.
        console: Of stderr.
        log: Gets the plain lines too.
    """

    def __init__(self, stop: Stop, *, is_reduced: bool, console: Console, log: TextIO) -> None:
        self._stop, self._is_reduced, self._console, self._log = stop, is_reduced, console, log
        self._forecast = Forecast(stop)
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._shown = self._written = float("-inf")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show where the search stands, if it is time to."""
        self._forecast.note(progress)
        if self._live and progress.seconds - self._shown >= REFRESH_EVERY:
            self._shown = progress.seconds
            self._live.update(self._panel(progress), refresh=True)
        if progress.seconds - self._written >= LINE_EVERY:
            self._written = progress.seconds
            line = ", ".join(f"{name} {value}" for name, value in self.values(progress).items())
            self._log.write(line + "\n")
            self._log.flush()
            if not self._live:
                self._console.print(line, soft_wrap=True)

    def values(self, progress: Progress) -> dict[str, str]:
        """Return what is shown, by name."""
        unseen = completeness(progress.visits)
        per_minute = 60 * progress.n_minima / progress.seconds if progress.seconds > 0 else 0.0
        return {
            "minima": f"{progress.n_minima} of {self._stop.n_minima}",
            "per minute": f"{per_minute:.1f}",
            "lowest": energy_text(progress.lowest, is_reduced=self._is_reduced),
            "quenches": str(progress.n_quenches),
            "force evaluations": str(progress.n_evaluations),
            "occupancy": f"{progress.occupancy:.0%}",
            "unseen mass": f"{unseen.unseen_mass:.2g} (below {unseen.unseen_mass_upper:.2g})",
            "left": self._forecast.text(progress),
            "elapsed": time_text(progress.seconds),
        }

    def _panel(self, progress: Progress) -> Table:
        table = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self._stop.n_minima, completed=min(progress.n_minima, self._stop.n_minima), width=30)
        table.add_row("", bar)
        for name, value in self.values(progress).items():
            table.add_row(name, value)
        return table


def energy_text(energy: float, *, is_reduced: bool) -> str:
    """Return an energy for a person: eV, or the plain number of reduced units."""
    if not isfinite(energy):
        return "none yet"
    return f"{energy:.6f}" if is_reduced else f"{energy:.4f} eV"
