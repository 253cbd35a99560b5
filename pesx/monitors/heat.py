"""Temperature runaway: a kinetic temperature that the canonical ensemble does not allow."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from scipy.stats import chi2

from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import View
from pesx.typing import PerReplica, Velocities
from pesx.units import ACCELERATION, BOLTZMANN

FALSE_ALARM = 1e-9
"""Probability that one frame of a canonical ensemble passes the bound."""


@dataclass(frozen=True, eq=False)
class Heat:
    """A temperature beyond the bound that canonical dynamics would pass with probability 1e-9; told at once.

    Twice the kinetic energy over kT is distributed as chi-square with as many degrees of freedom as can move. For the 120 of
    Ac-Ala3-NHMe the bound is 1.98 times the target.

    Attributes:
        n_freedom: Degrees of freedom.
    """

    n_freedom: int

    cause = Cause.HOT
    persistence = 0.0
    n_things = 1

    def signs(self, view: View) -> Signs:
        """Return where the temperature is beyond the bound; never where it or the target is unknown."""
        bound = hottest(self.n_freedom) * view.target
        return Signs((view.temperature > bound)[:, None], (view.temperature <= bound)[:, None])

    def find(self, view: View, row: int, thing: int) -> Finding:  # noqa: ARG002
        """Return the temperature and words."""
        now, target = float(view.temperature[row]), float(view.target[row])
        return Finding((), now, f"The temperature is {now:.0f} K, {now / target:.1f} times that of the thermostat.")


@lru_cache
def hottest(n_freedom: int, false_alarm: float = FALSE_ALARM) -> float:
    """Return the bound of the kinetic temperature in units of the target."""
    return float(chi2.isf(false_alarm, n_freedom)) / n_freedom


def kinetic_temperature(velocities: Velocities, masses: torch.Tensor, n_freedom: int) -> PerReplica:
    """Return the kinetic temperature, K.

    Args:
        velocities: Angstrom/fs.
        masses: u.
        n_freedom: Degrees of freedom that move.
    """
    twice = (masses.to(velocities)[:, None] * velocities**2).flatten(1).sum(dim=1, dtype=torch.float64)
    return twice / (ACCELERATION * n_freedom * BOLTZMANN)


__all__ = ["FALSE_ALARM", "Heat", "hottest", "kinetic_temperature"]
