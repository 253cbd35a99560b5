"""Tensor aliases and the shape letters used in every signature.

B replicas of one molecule, N atoms, D = 3N coordinates, E directed edges, M stored minima, F entries of a fingerprint, K
directions.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Positions = Float[Tensor, "B N 3"]
Forces = Float[Tensor, "B N 3"]
Velocities = Float[Tensor, "B N 3"]
Energies = Float[Tensor, "B"]
PerReplica = Float[Tensor, "B"]
Mask = Bool[Tensor, "B"]
Index = Int[Tensor, "B"]
Fingerprints = Float[Tensor, "B F"]

__all__ = [
    "Bool",
    "Energies",
    "Fingerprints",
    "Float",
    "Forces",
    "Index",
    "Int",
    "Mask",
    "PerReplica",
    "Positions",
    "Tensor",
    "Velocities",
]
