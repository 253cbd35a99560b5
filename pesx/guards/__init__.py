"""Whether structures still are the molecule that was asked about."""

from pesx.guards.cluster import ClusterGuard
from pesx.guards.molecular import MolecularGuard

__all__ = ["ClusterGuard", "MolecularGuard"]
