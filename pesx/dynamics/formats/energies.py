"""Energies of a replica over time, as a table that grows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pesx.dynamics.snapshot import Track

_COLUMNS = ("time_ps", "potential_ev", "kinetic_ev", "total_ev", "temperature_k", "conserved_ev")


@dataclass(frozen=True)
class Energies:
    """CSV with a line per frame (a :class:`~pesx.dynamics.formats.format.Format`)."""

    suffix: str = ".csv"

    def header(self) -> bytes:
        """Return the names of the columns."""
        return (",".join(_COLUMNS) + "\n").encode()

    def encode(self, track: Track) -> bytes:
        """Return lines as bytes; what is conserved is left empty where there is nothing."""
        total = track.potential + track.kinetic
        values = np.stack(
            [track.time, track.potential, track.kinetic, total, track.temperature, track.conserved], axis=1
        )
        digits = (6, 10, 10, 10, 4, 10)
        lines = [
            ",".join("" if value != value else f"{value:.{n}f}" for value, n in zip(row, digits, strict=True))
            for row in values.tolist()
        ]
        return ("\n".join(lines) + "\n").encode()

    def mend(self, path: Path) -> None:
        """Nothing has to be made true."""

    def finish(self, path: Path) -> None:
        """Nothing is left to do."""


__all__ = ["Energies"]
