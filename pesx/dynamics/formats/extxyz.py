"""Frames as extended XYZ: positions, velocities and forces, and the energies, as ASE and most viewers read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pesx.dynamics.snapshot import Track

_PROPERTIES = "Properties=species:S:1:pos:R:3:velocities:R:3:forces:R:3"


@dataclass(frozen=True)
class Extxyz:
    """Extended XYZ (a :class:`~pesx.dynamics.formats.format.Format`).

    Attributes:
        symbols: Of the elements.
        charge: Total charge, e.
        multiplicity: 2S+1.
    """

    symbols: Sequence[str]
    charge: int = 0
    multiplicity: int = 1
    suffix: str = ".extxyz"

    def header(self) -> bytes:
        """Return nothing: there is none."""
        return b""

    def encode(self, track: Track) -> bytes:
        """Return frames as bytes."""
        rows = np.concatenate([track.positions, track.velocities, track.forces], axis=2)
        frames = []
        for number in range(len(track.time)):
            comment = (
                f'{_PROPERTIES} pbc="F F F" energy={track.potential[number]:.10f} '
                f"kinetic_energy={track.kinetic[number]:.10f} temperature={track.temperature[number]:.4f} "
                f"time_ps={track.time[number]:.6f} replica={track.replica[number]} charge={self.charge} "
                f"spin={self.multiplicity}"
            )
            lines = [
                f"{symbol:<2}" + "".join(f" {value:15.9f}" for value in row)
                for symbol, row in zip(self.symbols, rows[number].tolist(), strict=True)
            ]
            frames.append("\n".join([str(len(self.symbols)), comment, *lines]) + "\n")
        return "".join(frames).encode()

    def mend(self, path: Path) -> None:
        """Nothing has to be made true."""

    def finish(self, path: Path) -> None:
        """Nothing is left to do."""


__all__ = ["Extxyz"]
