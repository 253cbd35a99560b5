"""When two structures are the same minimum."""

from pesx.identity.cluster import ClusterIdentity
from pesx.identity.molecular import MolecularIdentity
from pesx.identity.surface import SurfaceIdentity

__all__ = ["ClusterIdentity", "MolecularIdentity", "SurfaceIdentity"]
