import pytest
import torch
from scipy.stats import chi2

from pesx.monitors import Cause
from pesx.monitors.heat import FALSE_ALARM, hottest, kinetic_temperature
from pesx.units import ACCELERATION, BOLTZMANN


def test_bound_is_the_tail_of_chi_square():
    assert chi2.sf(hottest(120) * 120, 120) == pytest.approx(FALSE_ALARM, rel=1e-6)
    assert hottest(120) == pytest.approx(1.978, abs=1e-3)


def test_canonical_velocities(ala3):
    """The mean is the temperature, the spread is that of chi-square, and of 50,000 frames none passes the bound."""
    generator = torch.Generator().manual_seed(0)
    masses = ala3.masses
    width = (BOLTZMANN * 300.0 * ACCELERATION / masses).sqrt()[:, None]
    velocities = width * torch.randn(50_000, 42, 3, generator=generator, dtype=torch.float64)
    found = kinetic_temperature(velocities, masses, 126)
    assert float(found.mean()) == pytest.approx(300.0, abs=0.6)
    assert float(found.std()) == pytest.approx(300.0 * (2 / 126) ** 0.5, rel=0.02)
    assert float(found.max()) < hottest(120) * 300.0


def test_hot(ala3, watch):
    positions, _ = watch.path_of(ala3, 6)
    temperature = torch.tensor([300.0, 590.0, 600.0, 800.0, 500.0, 610.0])
    events = watch.scanned(ala3, positions, target=300.0, known={"temperature": temperature})
    assert watch.told(events) == [(2, Cause.HOT), (5, Cause.HOT)]
    assert events[0].value == 600.0
    assert watch.scanned(ala3, positions, known={"temperature": temperature}) == []  # no thermostat, no verdict
