"""What is written of replicas: all of them at one frame, or one of them over many."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Snapshot:
    """Some replicas at one frame; arrays with the replica as first axis, float64.

    Attributes:
        replica: Numbers of the replicas.
        time: ps.
        positions: Angstrom, (B, N, 3).
        velocities: Angstrom/fs, (B, N, 3).
        forces: eV/angstrom, (B, N, 3).
        potential: Potential energy, eV.
        kinetic: Kinetic energy, eV.
        temperature: Kinetic temperature, K.
        conserved: What the exact motion would conserve, eV; NaN where there is nothing.
    """

    replica: Array
    time: Array
    positions: Array
    velocities: Array
    forces: Array
    potential: Array
    kinetic: Array
    temperature: Array
    conserved: Array

    def only(self, rows: Array) -> "Snapshot":
        """Return some of the replicas."""
        return Snapshot(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})


Track = Snapshot
"""One replica over many frames: the same, with the frame as first axis."""


def tracks(snapshots: Sequence[Snapshot]) -> dict[int, Track]:
    """Return the track of each replica that is in any of these snapshots, in order of time."""
    if not snapshots:
        return {}
    joined = {item.name: np.concatenate([getattr(one, item.name) for one in snapshots]) for item in fields(Snapshot)}
    order = np.argsort(joined["replica"], kind="stable")
    numbers, first = np.unique(joined["replica"][order], return_index=True)
    parts = np.split(order, first[1:])
    return {
        int(number): Snapshot(**{name: values[rows] for name, values in joined.items()})
        for number, rows in zip(numbers, parts, strict=True)
    }


__all__ = ["Array", "Snapshot", "Track", "tracks"]
