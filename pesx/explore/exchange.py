"""Replica exchange between walkers on a temperature ladder.

Swendsen and Wang 1986, doi:10.1103/PhysRevLett.57.2607. The walkers keep their temperatures and swap their minima, so what a
hot walker found can be searched by a cold one.
"""

from dataclasses import replace

import torch

from pesx.explore.walkers import Walkers
from pesx.typing import PerReplica


def exchange(walkers: Walkers, uniform: PerReplica) -> Walkers:
    """Try to swap the minima of neighbouring walkers, in pairs (0, 1), (2, 3), ...

    Args:
        walkers: In order of their temperatures.
        uniform: Numbers in [0, 1), one per walker; the first of each pair decides.
    """
    n_pairs = len(walkers.energy) // 2
    if n_pairs == 0:
        return walkers
    low, high = torch.arange(n_pairs) * 2, torch.arange(n_pairs) * 2 + 1
    exponent = (1 / walkers.kT[low] - 1 / walkers.kT[high]) * (walkers.energy[low] - walkers.energy[high])
    is_ready = torch.isfinite(walkers.energy[low]) & torch.isfinite(walkers.energy[high])
    swaps = is_ready & (uniform[low] < torch.exp(exponent.clamp(max=0.0)))
    order = torch.arange(len(walkers.energy))
    order[low[swaps]], order[high[swaps]] = high[swaps], low[swaps]
    return replace(
        walkers,
        positions=walkers.positions[order],
        energy=walkers.energy[order],
        minimum=walkers.minimum[order],
    )
