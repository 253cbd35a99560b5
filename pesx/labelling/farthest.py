"""Few structures that stand for many: each chosen farthest from all that were chosen before."""

from collections.abc import Sequence

import numpy as np

from pesx.engines.engine import FloatArray, IntArray
from pesx.errors import InputError


def farthest_points(rows: FloatArray, n_chosen: int, *, start: Sequence[int] = ()) -> IntArray:
    """Return the numbers of the chosen rows, in the order of choice; all rows where there are no more.

    From one first choice, no row is farther from a chosen one than twice what the best choice of as many could reach (Gonzalez
    1985, doi:10.1016/0304-3975(85)90224-5). Rows equal to a chosen one are not chosen as long as another is left, and of
    equally far rows the first is. One pass over the rows for each choice.

    Args:
        rows: One point for each structure, Euclidean distances between which say how different they are.
        n_chosen: How many.
        start: What is chosen already; the row nearest to the mean if nothing is.

    Raises:
        InputError: Nothing to choose, or a row is not finite.
    """
    if n_chosen < 1:
        raise InputError(f"Expected at least 1 structure to choose, came {n_chosen}. Ask for more.")
    if not len(rows) or not np.isfinite(rows).all():
        raise InputError(f"Expected finite features of at least one structure, came {len(rows)} rows. Check them.")
    chosen = list(start[:n_chosen]) or [int(np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmin())]
    nearest = np.min([np.linalg.norm(rows - rows[index], axis=1) for index in chosen], axis=0)
    nearest[chosen] = -1.0  # below the distance of a duplicate that is left
    while len(chosen) < min(n_chosen, len(rows)):
        farthest = int(nearest.argmax())
        chosen.append(farthest)
        nearest = np.minimum(nearest, np.linalg.norm(rows - rows[farthest], axis=1))
        nearest[chosen] = -1.0
    return np.array(chosen, dtype=np.int64)


__all__ = ["farthest_points"]
