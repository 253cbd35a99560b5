"""The vibrational density of states: how kinetic energy is spread over frequencies; and harmonic frequencies beside it.

Of a segment of velocities v(t), the spectrum is the sum over atoms of m |FFT(window * v)|^2, averaged over segments that
overlap by half (Welch 1967, doi:10.1109/TAU.1967.1161901). Where there are no velocities, (x(t + dt) - x(t)) / dt stands for
them; at angular frequency w that is smaller by sin(w dt / 2) / (w dt / 2), which is divided out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pesx.units import ACCELERATION

Array = NDArray[Any]

LIGHT = 2.99792458e-2
"""cm/ps; exact."""

HIGHEST = 4000.0
"""1/cm; stretches of hydrogen are below."""

SEGMENT = 4.0
"""ps; two segments' peaks are 8 1/cm apart."""

LONGEST_INTERVAL = 1.0 / (2.0 * LIGHT * HIGHEST)
"""ps; with longer intervals fast vibrations look like slow ones: 4.17 fs."""

_SHORTEST_SEGMENT = 64
"""Frames; of fewer no spectrum is made."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A vibrational density of states.

    Attributes:
        wavenumber: 1/cm.
        density: cm; its integral is 1.
        n_segments: Segments averaged.
        source: What it is from: velocities or differences of positions.
    """

    wavenumber: Array
    density: Array
    n_segments: int
    source: str

    def mean(self, lower: float, upper: float) -> float:
        """Return the mean wavenumber of the density within limits, 1/cm; NaN where there is none."""
        inside = (self.wavenumber >= lower) & (self.wavenumber < upper)
        weight = self.density[inside]
        return float((weight * self.wavenumber[inside]).sum() / weight.sum()) if weight.sum() > 0 else float("nan")

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "source": self.source,
            "n_segments": self.n_segments,
            "wavenumber_per_cm": self.wavenumber.tolist(),
            "density_cm": self.density.tolist(),
        }


class SpectrumSums:
    """The spectrum of a stream of frames at equal intervals; keeps one segment.

    Args:
        masses: u, (N,).
        interval: Between frames, ps.
    """

    def __init__(self, masses: Array, interval: float) -> None:
        self._masses, self._interval = masses, interval
        self._length = max(_SHORTEST_SEGMENT, round(SEGMENT / interval))
        self._power: Array | None = None
        self._n_segments = 0
        self._kept: list[Array] = []
        self._n_kept = 0
        self.source = ""

    def add(self, positions: Array, velocities: Array | None) -> None:
        """Take frames, (T, N, 3) in angstrom and angstrom/fs; without velocities, all must be without."""
        self.source = "differences of positions" if velocities is None else "velocities"
        values = positions if velocities is None else velocities
        self._kept.append(np.asarray(values, dtype=np.float32))
        self._n_kept += len(values)
        needed = self._length + (velocities is None)
        while self._n_kept >= needed:
            joined = np.concatenate(self._kept)
            self._take(joined[:needed])
            rest = joined[self._length // 2 :].copy()
            self._kept, self._n_kept = [rest], len(rest)

    def spectrum(self) -> Spectrum | None:
        """Return the spectrum so far; None of too few frames. A stream shorter than a segment is one segment."""
        power, n = self._power, self._n_segments
        if n == 0:
            if self._n_kept < _SHORTEST_SEGMENT + 1:
                return None
            power, n = self._segment(np.concatenate(self._kept)), 1
        assert power is not None
        n_frequencies = len(power)
        length = 2 * (n_frequencies - 1)
        wavenumber = np.arange(n_frequencies) / (length * self._interval * LIGHT)
        shown = wavenumber <= HIGHEST
        power, wavenumber = power[shown] / n, wavenumber[shown]
        step = wavenumber[1] - wavenumber[0]
        return Spectrum(wavenumber, power / (power.sum() * step), n, self.source)

    def _take(self, values: Array) -> None:
        power = self._segment(values)
        self._power = power if self._power is None else self._power + power
        self._n_segments += 1

    def _segment(self, values: Array) -> Array:
        is_difference = self.source != "velocities"
        v = np.diff(values.astype(np.float64), axis=0) / self._interval if is_difference else values.astype(np.float64)
        v = v[: len(v) // 2 * 2]
        weights = self._masses / self._masses.sum()
        v = v - np.einsum("n,tnk->tk", weights, v)[:, None]
        window = np.hanning(len(v) + 1)[:-1, None, None]
        power = np.einsum("n,fnk->f", self._masses, np.abs(np.fft.rfft(window * v, axis=0)) ** 2)
        if is_difference:
            angle = np.pi * np.fft.rfftfreq(len(v))
            power = power / np.sinc(angle / np.pi) ** 2
        return np.asarray(power)


def why_not(interval: float, n_frames: int) -> str | None:
    """Return why frames at an interval (ps) have no spectrum; None where they have one."""
    if interval > LONGEST_INTERVAL:
        return (
            f"no spectrum: frames are {1e3 * interval:.3g} fs apart, and vibrations up to {HIGHEST:.0f} 1/cm need "
            f"{1e3 * LONGEST_INTERVAL:.2f} fs or less"
        )
    if n_frames <= _SHORTEST_SEGMENT:
        return f"no spectrum: {n_frames} frames are too few"
    return None


def wavenumbers(eigenvalues: Array) -> Array:
    """Return harmonic wavenumbers, 1/cm; imaginary ones as negative.

    Args:
        eigenvalues: Of the mass-weighted Hessian, eV/(angstrom^2 u).
    """
    angular = np.sqrt(np.abs(eigenvalues) * ACCELERATION) * 1e3  # 1/ps
    return np.asarray(np.sign(eigenvalues) * angular / (2 * np.pi * LIGHT))


__all__ = ["HIGHEST", "LIGHT", "LONGEST_INTERVAL", "Spectrum", "SpectrumSums", "wavenumbers", "why_not"]
