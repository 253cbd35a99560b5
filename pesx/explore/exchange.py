"""Replica exchange between walkers on a temperature ladder.

Swendsen and Wang 1986, doi:10.1103/PhysRevLett.57.2607. The walkers keep their temperatures and swap their minima, so what a
hot walker found can be searched by a cold one.
"""

from dataclasses import replace

import torch

from pesx.explore.basin_hopping import BasinHopping
from pesx.explore.mixed import Mixed
from pesx.explore.walkers import Explorer, Walkers
from pesx.typing import Mask, PerReplica


def on_ladder(explorer: Explorer, walkers: Walkers) -> Mask:
    """Return which walkers are on a ladder: those of basin hopping with one.

    The temperature of a minima hopper is that of its escapes, by which nothing is accepted, so it takes no part.
    """
    explorers = explorer.explorers if isinstance(explorer, Mixed) else (explorer,)
    has_ladder = torch.tensor([isinstance(one, BasinHopping) and one.ladder > 1 for one in explorers])
    return has_ladder[walkers.method]


def exchange(walkers: Walkers, uniform: PerReplica, takes_part: Mask) -> Walkers:
    """Try to swap the minima of walkers next to each other in temperature: the coldest two, the next two, ...

    Args:
        walkers: In any order; walkers of one temperature are taken in theirs. Those that stand nowhere stay out of it.
        uniform: Numbers in [0, 1), one per walker; that of the colder one of each pair decides.
        takes_part: Who may swap.
    """
    rows = (takes_part & torch.isfinite(walkers.energy)).nonzero()[:, 0]
    rows = rows[walkers.kT[rows].argsort(stable=True)]
    low, high = rows[0::2][: len(rows) // 2], rows[1::2]
    exponent = (1 / walkers.kT[low] - 1 / walkers.kT[high]) * (walkers.energy[low] - walkers.energy[high])
    swaps = uniform[low] < torch.exp(exponent.clamp(max=0.0))
    order = torch.arange(len(walkers.energy))
    order[low[swaps]], order[high[swaps]] = high[swaps], low[swaps]
    return replace(
        walkers,
        positions=walkers.positions[order],
        energy=walkers.energy[order],
        minimum=walkers.minimum[order],
    )
