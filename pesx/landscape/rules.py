"""When two structures of a run are the same, and which belong to it: one set of rules for all that looks at a run."""

from math import inf

from pesx.guards.cluster import ClusterGuard
from pesx.guards.molecular import Amides, MolecularGuard
from pesx.identity.cluster import ClusterIdentity
from pesx.identity.molecular import Mirror, MolecularIdentity
from pesx.identity.surface import SurfaceIdentity
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.sieve import Sieve
from pesx.molecule import Molecule


def molecular_archive(molecule: Molecule, mirror: Mirror) -> MinimaArchive:
    """Return an empty archive of stationary points of a molecule with bonds."""
    return MinimaArchive(MolecularIdentity(molecule, mirror=mirror), energy_tolerance=1e-3, distance_tolerance=0.1)


def molecular_sieve(molecule: Molecule, amides: Amides, energy_window: float) -> Sieve:
    """Return what judges structures of a molecule with bonds; the window is in eV."""
    return Sieve(MolecularGuard(molecule, amides=amides), energy_window, deepest_fall=1.0)


def cluster_archive(molecule: Molecule, mirror: Mirror) -> MinimaArchive:
    """Return an empty archive of stationary points of a cluster in reduced units.

    Fingerprints hold all distances and their spectrum, and are blind to mirror images alone: where those are one minimum,
    equal fingerprints settle it and spare the search for the permutation.
    """
    gap = 1e-3 if mirror == "merge" else 0.0
    identity = ClusterIdentity(molecule.numbers, mirror=mirror)
    return MinimaArchive(identity, energy_tolerance=1e-6, distance_tolerance=1e-2, conclusive_gap=gap)


def cluster_sieve(energy_window: float) -> Sieve:
    """Return what judges structures of a cluster in reduced units; so is the window."""
    return Sieve(ClusterGuard(), energy_window, rough_energy=1e-4, rough_distance=0.02)


def surface_archive() -> MinimaArchive:
    """Return an empty archive of stationary points of a surface in the plane."""
    return MinimaArchive(SurfaceIdentity(), energy_tolerance=1e-6, distance_tolerance=1e-2)


def surface_sieve() -> Sieve:
    """Return what judges places on a surface in the plane."""
    return Sieve(ClusterGuard(), inf, rough_energy=1e-2, rough_distance=0.02)


__all__ = [
    "cluster_archive",
    "cluster_sieve",
    "molecular_archive",
    "molecular_sieve",
    "surface_archive",
    "surface_sieve",
]
