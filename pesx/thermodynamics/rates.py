"""Rate constants of harmonic transition-state theory between the minima of a network.

k = kT / (2 pi hbar) Z_ts / Z_min: classically, the product of the frequencies of the minimum over that of the transition state,
times exp(-(E_ts - E_min) / kT), times the number of ways, which is the ratio of multiplicities. No tunnelling, no recrossing.

Source: Vineyard 1957, doi:10.1016/0022-3697(57)90059-8, for the classical form; Wales, Energy Landscapes (2003),
doi:10.1017/CBO9780511721724, for numbers of ways.
"""

from dataclasses import dataclass
from math import log, pi
from typing import Self

import numpy as np
from scipy.special import logsumexp

from pesx.errors import InputError
from pesx.landscape.network import Network
from pesx.landscape.records import Array
from pesx.thermodynamics.wells import Harmonic, Wells, thermal


def log_rates(
    minima: Wells,
    transition_states: Wells,
    ends: Array,
    kT: float,  # noqa: N803
    *,
    harmonic: Harmonic | None = None,
) -> Array:
    """Return the logarithms of the rate constants over each transition state, (T, 2), from its first end and from its second.

    A transition state that leads from a minimum back onto a copy of it gives the rate on one side of it.

    Args:
        minima: Wells with n_modes oscillators.
        transition_states: Wells with one oscillator less, in the same units.
        ends: Rows of the minima on both sides, (2, T).
        kT: Thermal energy in the unit of energies.
        harmonic: How the motion in a well is counted; None for classical oscillators.

    Returns:
        Natural logarithms; the unit of time is ``minima.scale.time``, seconds for energies with a unit.

    Raises:
        InputError: Numbers of modes or units do not fit together.
    """
    if transition_states.n_modes != minima.n_modes - 1 or transition_states.scale.time != minima.scale.time:
        raise InputError(
            f"Expected transition states with {minima.n_modes - 1} modes, in the units of the minima; came "
            f"{transition_states.n_modes} modes, time in {transition_states.scale.time} and {minima.scale.time}. The mode "
            "along the path does not count."
        )
    prefactor = log(kT / (2.0 * pi * minima.scale.quantum) * minima.scale.frequency)
    wells = thermal(minima, kT, harmonic).log_partition
    passes = thermal(transition_states, kT, harmonic).log_partition
    rates: Array = prefactor + (passes - wells[ends]).T
    return rates


@dataclass(frozen=True)
class Rates:
    """Rate constants between different minima at one temperature; all ways from one to another are added up.

    Attributes:
        source: Row of the minimum that each rate leads from, (E,).
        target: Row of the minimum it leads to, (E,).
        log_rate: Natural logarithm of the rate constant, (E,), per ``time``.
        log_population: Natural logarithm of the share of each minimum in equilibrium, (M,).
        time: Unit of time.
    """

    source: Array
    target: Array
    log_rate: Array
    log_population: Array
    time: str = "s"

    @classmethod
    def of(
        cls,
        network: Network,
        kT: float,  # noqa: N803
        *,
        n_modes: int,
        harmonic: Harmonic | None = None,
    ) -> Self:
        """Return the rates of a network.

        Args:
            network: Minima and transition states with orders of point groups and log products.
            kT: Thermal energy in the unit of the network.
            n_modes: Oscillators of a minimum, 3N - 6.
            harmonic: How the motion in a well is counted; None for classical oscillators.
        """
        minima = Wells.of(network.minima, n_modes=n_modes, unit=network.unit)
        states = Wells.of(network.transition_states, n_modes=n_modes - 1, unit=network.unit)
        return cls.between(minima, states, np.stack((network.first, network.second)), kT, harmonic=harmonic)

    @classmethod
    def between(
        cls,
        minima: Wells,
        transition_states: Wells,
        ends: Array,
        kT: float,  # noqa: N803
        *,
        harmonic: Harmonic | None = None,
    ) -> Self:
        """Return the rates between wells; see :func:`log_rates`."""
        logs = log_rates(minima, transition_states, ends, kT, harmonic=harmonic)
        is_way = ends[0] != ends[1]
        source, target = (np.concatenate((ends[a, is_way], ends[1 - a, is_way])) for a in (0, 1))
        pairs, pair = np.unique(np.stack((source, target)), axis=1, return_inverse=True)
        log_rate = np.full(pairs.shape[1], -np.inf)
        np.logaddexp.at(log_rate, pair.reshape(-1), logs[is_way].T.reshape(-1))
        weights = thermal(minima, kT, harmonic).log_partition
        return cls(pairs[0], pairs[1], log_rate, weights - logsumexp(weights), minima.scale.time)

    def matrix(self) -> Array:
        """Return the logarithms of the rates as a matrix (M, M), from row to column; minus infinity where there is none."""
        n = len(self.log_population)
        logs = np.full((n, n), -np.inf)
        logs[self.source, self.target] = self.log_rate
        return logs
