"""A network with what its minima and transition states are as harmonic wells: where thermodynamics and rates begin."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Self

import numpy as np

from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints, count_text
from pesx.landscape.records import Array
from pesx.thermodynamics.rates import Rates
from pesx.thermodynamics.superposition import Superposition, free_energies, free_energy_network_of, superposition
from pesx.thermodynamics.vibrations import Motion, Vibrations
from pesx.thermodynamics.wells import Harmonic, Wells
from pesx.units import BOLTZMANN

_WORDS = {"minima": ("minimum", "minima"), "transition_states": ("transition state", "transition states")}


@dataclass(frozen=True)
class HarmonicNetwork:
    """Minima and transition states whose motion is known; made by :meth:`of`.

    Attributes:
        network: They and what they join.
        minima: Wells of its minima, row by row.
        transition_states: Wells of its transition states, row by row, with one oscillator less.
        harmonic: How the motion in a well is counted.
        left_out: Sentences that say what the source had beyond this, and why it is not here.
    """

    network: Network
    minima: Wells
    transition_states: Wells
    harmonic: Harmonic
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        network: Network,
        vibrations: Vibrations,
        *,
        n_atoms: int,
        motion: Motion | None = None,
        harmonic: Harmonic | None = None,
        twinless: Mapping[str, Array] | None = None,
    ) -> Self:
        """Make wells of what is known, and leave out the rest.

        Args:
            network: With orders of point groups; see :func:`pesx.landscape.symmetry.with_point_groups`.
            vibrations: Of the points by number.
            n_atoms: Of the molecule.
            motion: What moves; None for all atoms, freely.
            harmonic: How the motion in a well is counted; None for classical oscillators.
            twinless: By kind, numbers of points that count twice, because their mirror image is a point of its own but was
                not found; see :func:`pesx.landscape.twins.without_twin`.

        Raises:
            InputError: There are no minima, or nothing is known of any.
        """
        network.require_minima()
        harmonic, motion = harmonic or Harmonic(), motion or Motion()
        parts = _Parts(network, vibrations, twinless or {}, every=harmonic.needs_frequencies)
        n_modes = motion.n_modes(network.minima, n_atoms)
        if harmonic.statistics == "none":
            return cls._made(network, parts, int(n_modes[network.lowest]), harmonic)
        has = parts.known("minima")
        parts.note("minima", ~has & parts.unsound("minima"), "whose Hessian has a mode that is not positive")
        parts.note("minima", ~has & ~parts.unsound("minima"), "without frequencies")
        if not has.any():
            raise InputError(
                f"Expected minima with frequencies; came {count_text(len(has), 'minimum', 'minima')} without: "
                f"{'; '.join(parts.notes)}. Compute them with pesx thermo and the potential of the run."
            )
        lowest = np.flatnonzero(has)[np.argmin(network.minima.energy[has])]
        n = int(n_modes[lowest])
        fits = parts.fits("minima", n_modes, n)
        parts.note("minima", has & ~fits, f"with another number of modes than {n}")
        states_have = parts.known("transition_states")
        parts.note("transition_states", ~states_have, "without frequencies, or with another number of negative modes")
        states_fit = parts.fits("transition_states", motion.n_modes(network.transition_states, n_atoms) - 1, n - 1)
        parts.note("transition_states", states_have & ~states_fit, f"with another number of modes than {n - 1}")
        keep = has & fits
        joins = keep[network.first] & keep[network.second]
        parts.note("transition_states", states_have & states_fit & ~joins, "that lead to a minimum left out")
        kept = network.take_transition_states(states_have & states_fit).take(keep)
        return cls._made(kept, parts, n, harmonic)

    @classmethod
    def _made(cls, network: Network, parts: "_Parts", n_modes: int, harmonic: Harmonic) -> Self:
        wells = (
            parts.wells("minima", network.minima, n_modes),
            parts.wells("transition_states", network.transition_states, n_modes - 1),
        )
        earlier = network.left_out.statement.removeprefix("left out: ")
        return cls(network, *wells, harmonic, (*[earlier] * bool(earlier), *parts.notes))

    def __post_init__(self) -> None:
        for wells, points in (
            (self.minima, self.network.minima),
            (self.transition_states, self.network.transition_states),
        ):
            if len(wells) != len(points):
                raise InputError(f"Expected {len(points)} wells; came {len(wells)}. Give one for each point.")

    @property
    def temperature_unit(self) -> str:
        """Unit of temperatures: K, or in reduced units the unit of energies, since k is 1 there."""
        return "K" if self.network.unit == "eV" else self.network.unit

    def thermal_energy(self, temperature: Array | float) -> Array:
        """Return k times temperatures, in the unit of the network."""
        energy: Array = np.asarray(temperature, dtype=np.float64) * (BOLTZMANN if self.network.unit == "eV" else 1.0)
        return energy

    def superposition(self, kT: Array) -> Superposition:  # noqa: N803
        """Return equilibrium at thermal energies, (K,), in the unit of the network."""
        return superposition(self.minima, kT, self.harmonic)

    def free_energies(self, kT: float) -> Array:  # noqa: N803
        """Return the free energy of each minimum at a thermal energy, (M,)."""
        return free_energies(self.minima, kT, self.harmonic)

    def free_energy_network(self, kT: float, groups: Array | None = None) -> Network:  # noqa: N803
        """Return the network of free energies; see :func:`~pesx.thermodynamics.superposition.free_energy_network`."""
        wells = self.minima, self.transition_states
        return free_energy_network_of(self.network, wells, kT, harmonic=self.harmonic, groups=groups)

    def rates(self, kT: float) -> Rates:  # noqa: N803
        """Return the rate constants of harmonic transition-state theory at a thermal energy."""
        ends = np.stack((self.network.first, self.network.second))
        return Rates.between(self.minima, self.transition_states, ends, kT, harmonic=self.harmonic)


class _Parts:
    """What is known of the points of a network, and what to say about those that are left out."""

    def __init__(self, network: Network, vibrations: Vibrations, twinless: Mapping[str, Array], *, every: bool) -> None:
        self._points = {"minima": network.minima, "transition_states": network.transition_states}
        self._unit, self._vibrations, self._every = network.unit, vibrations, every
        self._twinless = twinless
        self.notes: list[str] = []

    def known(self, kind: str) -> Array:
        """Return of which points enough is known, (M,)."""
        points = self._points[kind]
        is_known: Array = np.isin(points.number, list(self._vibrations.eigenvalues[kind]))
        return is_known if self._every else is_known | np.isfinite(points.log_product)

    def unsound(self, kind: str) -> Array:
        """Return which points turned out to have eigenvalues of the wrong signs, (M,)."""
        found: Array = np.isin(self._points[kind].number, list(self._vibrations.unsound[kind]))
        return found

    def fits(self, kind: str, expected: Array, n: int) -> Array:
        """Return which points have so many modes, (M,), by their eigenvalues or else by their shape."""
        lengths = {number: len(some) for number, some in self._vibrations.eigenvalues[kind].items()}
        counts = [
            lengths.get(number, own) for number, own in zip(self._points[kind].number.tolist(), expected, strict=True)
        ]
        found: Array = np.array(counts, dtype=np.int64) == n
        return found

    def note(self, kind: str, mask: Array, why: str) -> None:
        """Say why the points of a mask are left out."""
        self.notes += [f"{count_text(int(mask.sum()), *_WORDS[kind])} {why}"] * bool(mask.any())

    def wells(self, kind: str, points: StationaryPoints, n_modes: int) -> Wells:
        """Return the wells of points that are kept; those without their twin have twice as many copies."""
        wells = self._wells(kind, points, n_modes)
        counts_twice = np.isin(points.number, self._twinless.get(kind, []))
        return replace(wells, log_multiplicity=wells.log_multiplicity + log(2.0) * counts_twice)

    def _wells(self, kind: str, points: StationaryPoints, n_modes: int) -> Wells:
        found = self._vibrations.eigenvalues[kind]
        if self._every:
            table = np.array([found[number] for number in points.number.tolist()]).reshape(len(points), max(n_modes, 0))
            return Wells.of(points, n_modes=n_modes, unit=self._unit).with_eigenvalues(table)
        logs = [
            float(np.log(found[number]).sum()) if number in found else own
            for number, own in zip(points.number.tolist(), points.log_product.tolist(), strict=True)
        ]
        return Wells.of(replace(points, log_product=np.array(logs)), n_modes=n_modes, unit=self._unit)


__all__ = ["HarmonicNetwork"]
