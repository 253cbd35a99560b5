import numpy as np
import pytest

from pesx.analysis.audit.spectrum import LIGHT, LONGEST_INTERVAL, SpectrumSums, wavenumbers, why_not
from pesx.units import ACCELERATION

MASSES = np.array([12.0, 1.0])
LINES = (500.0, 3000.0)


def harmonic(n, interval, seed=0):
    """Two atoms that swing at 500 and 3000 1/cm with equal kinetic energies, and their velocities (angstrom/fs)."""
    time = np.arange(n) * interval
    rng = np.random.default_rng(seed)
    x, v = np.zeros((n, 2, 3)), np.zeros((n, 2, 3))
    for atom, line in enumerate(LINES):
        angular = 2 * np.pi * LIGHT * line
        for axis in range(3):
            phase = rng.uniform(0, 2 * np.pi)
            amplitude = 1.0 / (angular * np.sqrt(MASSES[atom]))
            x[:, atom, axis] = amplitude * np.sin(angular * time + phase)
            v[:, atom, axis] = amplitude * angular * np.cos(angular * time + phase)
    centre = np.einsum("n,tnk->tk", MASSES / MASSES.sum(), x)[:, None]
    centre_v = np.einsum("n,tnk->tk", MASSES / MASSES.sum(), v)[:, None]
    return x - centre, (v - centre_v) * 1e-3


def spectrum(x, v, interval, chunk=10_000):
    sums = SpectrumSums(MASSES, interval)
    for start in range(0, len(x), chunk):
        rows = slice(start, start + chunk)
        sums.add(x[rows], None if v is None else v[rows])
    return sums.spectrum()


@pytest.mark.parametrize("source", ["velocities", "positions"])
@pytest.mark.parametrize("interval", [0.001, 0.004])
@pytest.mark.parametrize("n", [900, 9000])
def test_lines_are_where_they_are(source, interval, n):
    x, v = harmonic(n, interval)
    found = spectrum(x, v if source == "velocities" else None, interval)
    step = found.wavenumber[1]
    for lower, upper, line in ((100, 1500, 500.0), (2000, 3900, 3000.0)):
        inside = (found.wavenumber > lower) & (found.wavenumber < upper)
        peak = found.wavenumber[inside][found.density[inside].argmax()]
        assert peak == pytest.approx(line, abs=step)
        assert found.mean(line - 100, line + 100) == pytest.approx(line, abs=step)
    assert found.density.sum() * step == pytest.approx(1.0)


def test_both_sources_weigh_lines_alike():
    """Differences of positions damp 3000 1/cm by sinc; divided out, its share is that from velocities."""
    x, v = harmonic(6000, 0.003)
    shares = []
    for source in (v, None):
        found = spectrum(x, source, 0.003)
        upper = found.wavenumber > 2000
        shares.append(found.density[upper].sum() / found.density.sum())
    assert shares[1] == pytest.approx(shares[0], rel=2e-3)


def test_chunks_change_nothing():
    x, v = harmonic(5000, 0.002)
    for source in (v, None):
        whole, parts = spectrum(x, source, 0.002), spectrum(x, source, 0.002, chunk=37)
        assert parts.n_segments == whole.n_segments
        assert parts.density == pytest.approx(whole.density)


def test_why_not():
    assert pytest.approx(0.00417, abs=1e-5) == LONGEST_INTERVAL
    assert "20 fs apart" in why_not(0.02, 10_000)
    assert "too few" in why_not(0.001, 10)
    assert why_not(0.001, 1000) is None
    assert SpectrumSums(MASSES, 0.001).spectrum() is None


def test_wavenumbers():
    """Carbon monoxide: k = 118.8 eV/angstrom^2 and 6.8606 u give 2170 1/cm."""
    assert wavenumbers(np.array([118.77 / 6.8606]))[0] == pytest.approx(2170, abs=3)
    assert wavenumbers(np.array([-1.0]))[0] == -wavenumbers(np.array([1.0]))[0]
    assert wavenumbers(np.array([1.0]))[0] == pytest.approx(np.sqrt(ACCELERATION) * 1e15 / (2 * np.pi * 2.99792458e10))
