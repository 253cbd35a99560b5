"""Stationary points whose mirror image was not found, where mirror images are distinct."""

import torch

from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import Array, StoredMinima, StoredTransitionStates


def without_twin(points: StoredMinima | StoredTransitionStates, archive: MinimaArchive) -> Array:
    """Return which points differ from their mirror image while that is not among them, (M,).

    Args:
        points: Minima or transition states of a molecule that can reach its mirror image.
        archive: Empty, with the rules of the run and mirror images distinct.
    """
    visits = torch.ones(len(points), dtype=torch.int64)
    archive.restore(points.positions, points.energy, points.keys, visits)
    found: Array = (archive.match(-points.positions, points.energy, points.keys) < 0).numpy()
    return found


__all__ = ["without_twin"]
