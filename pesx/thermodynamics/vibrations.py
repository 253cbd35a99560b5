"""The vibrations of the minima and transition states of a run: those it has stored, and the others from its potential."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pesx.errors import RunFolderError
from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.records import Array
from pesx.landscape.store import RunStore
from pesx.protocols import Potential
from pesx.relax.modes import mass_weighted_eigenvalues
from pesx.typing import Float, Int, Positions, Tensor

KINDS = ("minima", "transition_states")
"""Tables of stationary points; how many negative modes a point has is its place here."""

_CHUNK = 8
"""Points whose vibrations are stored at a time, so that a computation that is stopped loses little."""

_LINEAR = 1e-6
"""A moment of inertia this much smaller than the largest is that about the axis of a linear structure."""


@dataclass(frozen=True)
class Motion:
    """What moves, and with which masses.

    Attributes:
        masses: Of the atoms, u; None for 1 each, as for potentials in reduced units.
        coordinates: Numbers (0 to 3N - 1) of the coordinates that the potential depends on; None for all.
        is_free: Whether the potential is invariant under translation and rotation.
    """

    masses: Float[Tensor, "N"] | None = None
    coordinates: Int[Tensor, "C"] | None = None
    is_free: bool = True

    def n_modes(self, points: StationaryPoints, n_atoms: int) -> Array:
        """Return how many modes each point has, (M,): 3N - 6, and one more where it is linear.

        Args:
            points: With their moments of inertia.
            n_atoms: Of the molecule.
        """
        if not self.is_free:
            n = 3 * n_atoms if self.coordinates is None else len(self.coordinates)
            return np.full(len(points), n)
        if n_atoms == 1 or not len(points):
            return np.zeros(len(points), dtype=np.int64)
        lowest, highest = (points.properties[f"inertia_{axis}"] for axis in (1, 3))
        n_modes: Array = 3 * n_atoms - 6 + (lowest <= _LINEAR * highest)
        return n_modes


@dataclass(frozen=True)
class Vibrations:
    """What is known of the vibrations of a run.

    Attributes:
        eigenvalues: By kind and number, the positive eigenvalues of the mass-weighted Hessian, ascending.
        unsound: By kind, the numbers of points whose eigenvalues do not have the signs that they should have.
        is_stored: Whether all that was computed is in the database of the run; not where another process writes to it.
    """

    eigenvalues: Mapping[str, Mapping[int, Array]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    unsound: Mapping[str, frozenset[int]] = field(default_factory=lambda: dict.fromkeys(KINDS, frozenset()))
    is_stored: bool = True

    @classmethod
    def of(cls, store: RunStore) -> "Vibrations":
        """Return what a run has stored."""
        return cls({kind: store.vibrations(kind) for kind in KINDS})

    def unknown(self, network: Network, *, every: bool) -> dict[str, Array]:
        """Return the numbers of the points of a network whose vibrations are not known, by kind.

        Args:
            network: Of the run, or part of it.
            every: Whether each frequency is asked for; otherwise their product is enough.
        """
        points = {"minima": network.minima, "transition_states": network.transition_states}
        found = {}
        for kind, some in points.items():
            is_known = np.isin(some.number, list(self.eigenvalues[kind]))
            found[kind] = some.number[~is_known if every else ~is_known & np.isnan(some.log_product)]
        return found


def compute_vibrations(
    folder: Path | str,
    potential: Potential,
    unknown: Mapping[str, Array],
    *,
    motion: Motion,
    on_done: Callable[[int], None] = lambda _: None,
) -> Vibrations:
    """Compute vibrations from the potential of a run, store them there, and return all that are known.

    Args:
        folder: Run folder.
        potential: That of the run, bound to its molecule.
        unknown: Numbers of the points, by kind.
        motion: What moves.
        on_done: Told after each batch how many points it had.

    Raises:
        RunFolderError: No run there, or a damaged one.
    """
    with RunStore.read(folder) as store, store.snapshot():
        structures = {"minima": store.minima().positions, "transition_states": store.transition_states().positions}
        known = {kind: dict(store.vibrations(kind)) for kind in KINDS}
    unsound: dict[str, set[int]] = {kind: set() for kind in KINDS}
    is_stored = True
    for n_negative, kind in enumerate(KINDS):
        numbers = unknown[kind]
        for start in range(0, len(numbers), _CHUNK):
            batch = numbers[start : start + _CHUNK]
            found = sound_vibrations(potential, structures[kind][batch], motion, n_negative=n_negative)
            good = {int(number): some for number, some in zip(batch, found, strict=True) if some is not None}
            unsound[kind] |= set(batch.tolist()) - good.keys()
            known[kind] |= good
            is_stored &= _store(folder, kind, good)
            on_done(len(batch))
    return Vibrations(known, {kind: frozenset(some) for kind, some in unsound.items()}, is_stored)


def sound_vibrations(
    potential: Potential, positions: Positions, motion: Motion, *, n_negative: int
) -> list[Array | None]:
    """Return the positive eigenvalues of the mass-weighted Hessian of each point; None where the signs are others.

    Args:
        potential: Bound to the molecule.
        positions: Stationary points, angstrom.
        motion: What moves.
        n_negative: Negative eigenvalues of each: 0 for minima, 1 for transition states.
    """
    parts = {"masses": motion.masses, "coordinates": motion.coordinates}
    found = mass_weighted_eigenvalues(potential, positions, is_free=motion.is_free, **parts)
    rows = [row.cpu().numpy() for row in found]
    return [row[n_negative:] if _is_sound(row, n_negative) else None for row in rows]


def _is_sound(eigenvalues: Array, n_negative: int) -> bool:
    """Whether so many eigenvalues, in ascending order, are negative, and all others positive; NaN is neither."""
    return bool((eigenvalues[:n_negative] < 0).all() and (eigenvalues[n_negative:] > 0).all())


def _store(folder: Path | str, kind: str, found: Mapping[int, Array]) -> bool:
    """Store what was found, and return whether that could be done."""
    if not found:
        return True
    try:
        with RunStore.resume(folder) as store, store.transaction():
            store.add_vibrations(kind, np.array(list(found)), list(found.values()))
    except RunFolderError:
        return False
    return True


__all__ = ["KINDS", "Motion", "Vibrations", "compute_vibrations", "sound_vibrations"]
