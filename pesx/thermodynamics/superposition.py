"""Harmonic superposition: equilibrium from a list of minima, each a well of its own.

Z(T) is the sum over minima of those of their wells (:mod:`pesx.thermodynamics.wells`), all in logarithms and float64, so that
no weight over- or underflows. It is as complete as the list of minima, and as right as wells are harmonic.

Source: Wales, Mol. Phys. 78, 151 (1993), and Energy Landscapes (2003), doi:10.1017/CBO9780511721724.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from pesx.errors import InputError
from pesx.landscape.network import Network
from pesx.landscape.records import Array
from pesx.thermodynamics.wells import Harmonic, Wells, thermal


@dataclass(frozen=True)
class Superposition:
    """Equilibrium at K temperatures.

    Attributes:
        kT: Thermal energies, (K,).
        log_partition: Logarithm of the partition function, (K,).
        population: Share of each minimum, (K, M).
        energy: Mean energy, (K,).
        heat_capacity: Of the motions counted, with their kinetic energy but none of translation, in units of k, (K,).
        entropy: In units of k, (K,).
    """

    kT: Array  # noqa: N815
    log_partition: Array
    population: Array
    energy: Array
    heat_capacity: Array
    entropy: Array

    @property
    def free_energy(self) -> Array:
        """Helmholtz free energy, (K,)."""
        return -self.kT * self.log_partition


def superposition(minima: Wells, kT: Array, harmonic: Harmonic | None = None) -> Superposition:  # noqa: N803
    """Return populations, energy, heat capacity and entropy against temperature.

    Args:
        minima: Wells with their multiplicities.
        kT: Thermal energies in the unit of energies, (K,).
        harmonic: How the motion in a well is counted; None for classical oscillators.

    Raises:
        InputError: No minimum, or something that the statistics need is not known.
    """
    if not len(minima):
        raise InputError("Expected at least one minimum; came none. Explore first.")
    rows = [_at(minima, float(value), harmonic) for value in np.atleast_1d(kT)]
    log_partition, population, energy, capacity = (np.array(column) for column in zip(*rows, strict=True))
    thermal_energy = np.atleast_1d(np.asarray(kT, dtype=np.float64))
    entropy = log_partition + energy / thermal_energy
    return Superposition(thermal_energy, log_partition, population, energy, capacity, entropy)


def _at(minima: Wells, kT: float, harmonic: Harmonic | None) -> tuple[float, Array, float, float]:  # noqa: N803
    wells = thermal(minima, kT, harmonic)
    log_partition = float(logsumexp(wells.log_partition))
    population = np.exp(wells.log_partition - log_partition)
    energy = float(population @ wells.energy)
    # The populations change with temperature as their free energies tell, not the energies, where these disagree.
    spread = (wells.energy - energy) * (wells.slope - population @ wells.slope)
    return log_partition, population, energy, float(population @ (wells.heat_capacity + spread / kT**2))


def free_energies(wells: Wells, kT: float, harmonic: Harmonic | None = None) -> Array:  # noqa: N803
    """Return the free energy of each well, (M,), in the unit of energies.

    Of transition states it is that of the hypersurface between two wells, so that a rate constant is
    kT / (2 pi hbar) exp(-(F_ts - F_min) / kT).
    """
    return -kT * thermal(wells, kT, harmonic).log_partition


def free_energy_network(
    network: Network,
    kT: float,  # noqa: N803
    *,
    n_modes: int,
    harmonic: Harmonic | None = None,
    groups: Array | None = None,
) -> Network:
    """Return a network of free energies in place of energies, for free-energy disconnectivity graphs.

    Each group of minima is one minimum, whose free energy is that of all its members, and which is called by its member of
    least free energy. All transition states between two groups are one, so that several ways add up; those inside a group
    are gone. A free energy of activation below zero, which a high temperature can make, is zero here.

    Args:
        network: Minima and transition states with orders of point groups and log products.
        kT: Thermal energy in the unit of the network.
        n_modes: Oscillators of a minimum, 3N - 6.
        harmonic: How the motion in a well is counted; None for classical oscillators.
        groups: Number of the group of each minimum, from 0 without gaps; None for each on its own.

    Source: Krivov and Karplus, J. Chem. Phys. 117, 10894 (2002); Evans and Wales, J. Chem. Phys. 118, 3891 (2003).
    """
    minima = Wells.of(network.minima, n_modes=n_modes, unit=network.unit)
    states = Wells.of(network.transition_states, n_modes=n_modes - 1, unit=network.unit)
    return free_energy_network_of(network, (minima, states), kT, harmonic=harmonic, groups=groups)


def free_energy_network_of(
    network: Network,
    wells: tuple[Wells, Wells],
    kT: float,  # noqa: N803
    *,
    harmonic: Harmonic | None = None,
    groups: Array | None = None,
) -> Network:
    """Return a network of free energies of wells; see :func:`free_energy_network`.

    Args:
        network: Minima and transition states.
        wells: Of its minima and of its transition states, row by row.
        kT: Thermal energy in the unit of the network.
        harmonic: How the motion in a well is counted; None for classical oscillators.
        groups: See :func:`free_energy_network`.
    """
    group = np.arange(len(network.minima)) if groups is None else np.asarray(groups, dtype=np.int64)
    _require_groups(group, len(network.minima))
    own, between = (thermal(some, kT, harmonic).log_partition for some in wells)
    between = between + _log_attempts(wells[0], kT, harmonic or Harmonic())
    minima_rows, log_minima = _sums(group, own)
    ends = np.sort(np.stack((group[network.first], group[network.second])), axis=0)
    leads_out = np.flatnonzero(ends[0] != ends[1])
    pairs, pair = np.unique(ends[:, leads_out], axis=1, return_inverse=True)
    rows, log_states = _sums(pair.reshape(-1), between[leads_out])
    height = -kT * log_states
    floor = (-kT * log_minima)[pairs].max(axis=0) if len(rows) else height
    minima, states = network.minima.take(minima_rows), network.transition_states.take(leads_out[rows])
    return replace(
        network,
        minima=replace(minima, energy=-kT * log_minima, log_product=np.full(len(minima), np.nan)),
        transition_states=replace(states, energy=np.maximum(height, floor), log_product=np.full(len(states), np.nan)),
        first=pairs[0],
        second=pairs[1],
    )


def _log_attempts(minima: Wells, kT: float, harmonic: Harmonic) -> float:  # noqa: N803
    """Return the logarithm of kT / h over the frequency with which passing is tried.

    A free energy of activation says how many of the attempts succeed. With hbar these are kT / h per unit of time. Reduced
    units have none, so their attempts are those of the mean frequency in the lowest minimum, and the graph becomes that of
    energies as the temperature falls.
    """
    if np.isfinite(minima.scale.wavenumber) or harmonic.statistics == "none" or not (len(minima) and minima.n_modes):
        return 0.0
    lowest = int(np.argmin(minima.energy))
    return float(np.log(kT) - minima.log_quanta[lowest] / minima.n_modes)


def _sums(label: Array, log_value: Array) -> tuple[Array, Array]:
    """Return for each label, from 0 without gaps, the row of its largest value, and the logarithm of the sum of all."""
    n = int(label.max()) + 1 if len(label) else 0
    largest = np.full(n, -np.inf)
    np.maximum.at(largest, label, log_value)
    total = np.zeros(n)
    np.add.at(total, label, np.exp(log_value - largest[label]))
    order = np.lexsort((-log_value, label))
    rows = order[np.searchsorted(label[order], np.arange(n))]
    return rows, largest + np.log(total)


def _require_groups(group: Array, n_minima: int) -> None:
    if group.shape != (n_minima,) or not np.array_equal(np.unique(group), np.arange(group.max(initial=-1) + 1)):
        raise InputError(
            f"Expected the number of a group, from 0 without gaps, for each of {n_minima} minima; came others. Number the "
            "groups anew."
        )
