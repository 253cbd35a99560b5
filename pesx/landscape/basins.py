"""Monotonic-sequence basins: which minimum each one runs down to when every step leads to the lowest neighbour."""

import numpy as np

from pesx.landscape.network import Network
from pesx.landscape.records import Array


def monotonic_basins(network: Network) -> Array:
    """Return the row of the minimum at the bottom of each minimum's basin; a bottom is its own.

    Each minimum steps to its lowest neighbour, over any transition state, if that one is lower; so does the neighbour, until
    there is none. Several sequences may lead down from a minimum; this one follows the steepest. Of minima of equal energy the
    first counts as lower. Berry and Breitengraser-Kunz 1995, doi:10.1103/PhysRevLett.74.3951.
    """
    n = len(network.minima)
    rank = np.empty(n, dtype=np.int64)
    by_energy = np.argsort(network.minima.energy, kind="stable")
    rank[by_energy] = np.arange(n)
    best = rank.copy()
    np.minimum.at(best, network.first, rank[network.second])
    np.minimum.at(best, network.second, rank[network.first])
    down = by_energy[best]
    while not np.array_equal(further := down[down], down):
        down = further
    found: Array = down
    return found
