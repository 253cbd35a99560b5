"""When two structures are the same minimum."""

from pesx.identity.cluster import ClusterIdentity
from pesx.identity.molecular import MolecularIdentity

__all__ = ["ClusterIdentity", "MolecularIdentity"]
