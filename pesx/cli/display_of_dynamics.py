"""How dynamics stands while it runs: a live line on a terminal, a plain line now and then elsewhere and in the log."""

from math import isfinite
from typing import Self, TextIO

from rich.console import Console
from rich.status import Status

from pesx.cli.amounts import time_text
from pesx.dynamics.simulation import Progress

LINE_EVERY = 30.0
"""Time between plain lines, s."""

_DAY = 86400.0
_NS = 1e-6
"""A fs in ns."""


class DynamicsDisplay:
    """Shows progress; a context manager, and the observer of :meth:`pesx.molecular_dynamics.MolecularDynamics.go`.

    Args:
        timestep: fs.
        console: Of stderr.
        log: Gets the plain lines too.
    """

    def __init__(self, *, timestep: float, console: Console, log: TextIO) -> None:
        self._timestep, self._console, self._log = timestep, console, log
        self._status: Status | None = console.status("starting") if console.is_terminal else None
        self._written = float("-inf")
        self._first: Progress | None = None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, progress: Progress) -> None:
        """Show where the simulation stands, if it is time to."""
        self._first = self._first or progress
        line = ", ".join(f"{name} {value}" if name else value for name, value in self.values(progress).items())
        if self._status:
            self._status.update(line)
        if progress.seconds - self._written >= LINE_EVERY:
            self._written = progress.seconds
            self._log.write(line + "\n")
            self._log.flush()
            if not self._status:
                self._console.print(line, soft_wrap=True)

    def values(self, progress: Progress) -> dict[str, str]:
        """Return what is shown, by name."""
        first = self._first or progress
        seconds = progress.seconds - first.seconds
        steps = progress.n_done - first.n_done
        left = "unknown"
        if steps and seconds > 0:
            left = time_text((progress.n_steps - progress.n_done) * seconds / steps)
        share = progress.n_done / progress.n_steps
        temperatures = " ".join(
            f"{found:.0f} K" + (f" of {target:g}" if target else "")
            for target, found in progress.temperatures.items()
            if isfinite(found)
        )
        return {
            "": f"{progress.time:g} ps ({share:.0%})",
            "replicas": f"{progress.n_alive} of {progress.n_replicas}",
            "temperature": temperatures or "unknown",
            "ns/day": self.speed(progress),
            "left": left,
            "elapsed": time_text(progress.seconds),
        }

    def speed(self, progress: Progress) -> str:
        """Return ns per day of all replicas together, since the first look."""
        first = self._first or progress
        seconds = progress.seconds - first.seconds
        if seconds <= 0:
            return "unknown"
        steps = progress.replica_steps - first.replica_steps
        return f"{steps * self._timestep * _NS * _DAY / seconds:.3g}"
