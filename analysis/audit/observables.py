"""What a trajectory says of structure: distances, torsion maps, radius of gyration, hydrogen bonds; and how two compare."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.analysis.audit.equipartition import element_temperatures, elements
from pesx.analysis.published import bond_lengths
from pesx.chemistry import perceive
from pesx.geometry.torsion import torsion_angles
from pesx.molecule import Molecule
from pesx.monitors import Frame
from pesx.monitors.compiled import compiled

Array = NDArray[Any]

BIN = 0.05
"""Angstrom; width of the bins of distances."""

N_BINS = 2000
"""Up to 100 angstrom; what is further apart is in the last."""

MAP_BINS = 36
"""Bins of each torsion, of 10 degrees."""

HYDROGEN_BOND = 2.5
"""Angstrom; longest distance from a hydrogen to an acceptor."""

HYDROGEN_ANGLE = 120.0
"""Degree; smallest angle donor-hydrogen-acceptor (Baker and Hubbard 1984, doi:10.1016/0079-6107(84)90007-5)."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over frames.

    Attributes:
        n: Frames.
        distances: Of atoms, counted in bins.
        maps: phi and psi of each residue, counted in bins, (R, 36, 36).
        gyration: Radii of gyration, angstrom.
        gyration_squared: Their squares.
        lengths: Of the bonds, angstrom, (M,).
        bonded: Frames in which each pair of hydrogen and acceptor is a hydrogen bond.
        n_moving: Frames with velocities.
        element_temperature: Kinetic temperature of each element, K.
    """

    n: int
    distances: Array
    maps: Array
    gyration: float
    gyration_squared: float
    lengths: Array
    bonded: Array
    n_moving: int
    element_temperature: Array


@dataclass(frozen=True, eq=False)
class Observer:
    """What is observed of a molecule.

    Attributes:
        molecule: With bonds.
    """

    molecule: Molecule

    @cached_property
    def elements(self) -> list[str]:
        """Symbols of the elements, ascending by number."""
        return elements(self.molecule)

    @cached_property
    def backbone(self) -> tuple[Array, Array]:
        """Atoms of phi and of psi of each residue between two amides, (R, 4)."""
        return backbone_torsions(self.molecule)

    @cached_property
    def hydrogen_bonds(self) -> Array:
        """Donor, hydrogen and acceptor of each possible hydrogen bond, (H, 3): N-H or O-H, to another N or O."""
        return possible_hydrogen_bonds(self.molecule)

    def see(self, frame: Frame) -> Sums:
        """Return the sums over the rows of a frame."""
        x = frame.positions.to(torch.float32)
        counts = np.zeros(N_BINS, dtype=np.int64)
        _count_distances(np.ascontiguousarray(x.numpy()), counts, 1.0 / BIN)
        gyration = radius_of_gyration(x, self.molecule.masses)
        n_elements = len(self.elements)
        temperatures = np.zeros(n_elements)
        if frame.velocities is not None:
            temperatures = element_temperatures(frame.velocities, self.molecule).sum(axis=0)
        return Sums(
            n=len(x),
            distances=counts,
            maps=self._maps(x),
            gyration=float(gyration.sum()),
            gyration_squared=float((gyration**2).sum()),
            lengths=bond_lengths(x, self.molecule.bonds).sum(dim=0, dtype=torch.float64).numpy(),
            bonded=hydrogen_bonded(x, self.hydrogen_bonds).sum(dim=0).numpy(),
            n_moving=0 if frame.velocities is None else len(x),
            element_temperature=temperatures,
        )

    def _maps(self, x: torch.Tensor) -> Array:
        phi, psi = (torsion_angles(x, torch.from_numpy(quads)).numpy() for quads in self.backbone)
        maps = np.zeros((phi.shape[1], MAP_BINS, MAP_BINS), dtype=np.int64)
        rows, columns = (
            ((angle + np.pi) * (MAP_BINS / (2 * np.pi))).astype(np.int64) % MAP_BINS for angle in (phi, psi)
        )
        for residue in range(len(maps)):
            np.add.at(maps[residue], (rows[:, residue], columns[:, residue]), 1)
        return maps


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far two sets of frames are apart.

    Attributes:
        distances: Integral of the absolute difference of the two h(r), from 0 (alike) to 2 (nothing in common); the "h(r) MAE"
            of doi:10.48550/arXiv.2210.07237.
        maps: The same for the torsion map of each residue.
        gyration: Difference of the mean radii of gyration, angstrom.
        hydrogen_bonds: Difference of the mean numbers of hydrogen bonds.
    """

    distances: float
    maps: list[float]
    gyration: float
    hydrogen_bonds: float


def density(sums: Sums) -> Array:
    """Return h(r): the distribution of all interatomic distances, 1/angstrom, one value per bin; its integral is 1."""
    return np.asarray(sums.distances / (sums.distances.sum() * BIN))


def compare(sums: Sums, reference: Sums) -> Comparison:
    """Return how far frames are from reference frames of the same molecule."""
    maps = np.abs(sums.maps / sums.n - reference.maps / reference.n).sum(axis=(1, 2))
    return Comparison(
        distances=float(np.abs(density(sums) - density(reference)).sum() * BIN),
        maps=[float(value) for value in maps],
        gyration=sums.gyration / sums.n - reference.gyration / reference.n,
        hydrogen_bonds=float(sums.bonded.sum() / sums.n - reference.bonded.sum() / reference.n),
    )


def backbone_torsions(molecule: Molecule) -> tuple[Array, Array]:
    """Return the atoms of phi (C, N, CA, C) and psi (N, CA, C, N) of each residue, found in the bond graph.

    A residue is an atom that joins the nitrogen of one amide to the carbon of another.
    """
    near: dict[int, set[int]] = {atom: set() for atom in range(molecule.n_atoms)}
    for i, j in molecule.bonds.tolist():
        near[i].add(j)
        near[j].add(i)
    bonds = [(int(c), int(n)) for _, c, n, _ in perceive(molecule).amides]
    phi, psi = [], []
    for c_before, n in bonds:
        for c, n_after in bonds:
            for alpha in sorted((near[n] & near[c]) - {c_before, n_after}):
                phi.append((c_before, n, alpha, c))
                psi.append((n, alpha, c, n_after))
    return np.array(phi, dtype=np.int64).reshape(-1, 4), np.array(psi, dtype=np.int64).reshape(-1, 4)


def possible_hydrogen_bonds(molecule: Molecule) -> Array:
    """Return donor, hydrogen and acceptor of every hydrogen bond there could be."""
    numbers = molecule.numbers.tolist()
    pairs = [pair for i, j in molecule.bonds.tolist() for pair in ((i, j), (j, i))]
    donors = [(d, h) for d, h in pairs if numbers[h] == 1 and numbers[d] in (7, 8)]
    acceptors = [atom for atom, number in enumerate(numbers) if number in (7, 8)]
    triples = [(d, h, a) for d, h in sorted(donors) for a in acceptors if a != d]
    return np.array(triples, dtype=np.int64).reshape(-1, 3)


def hydrogen_bonded(x: torch.Tensor, triples: Array) -> torch.Tensor:
    """Return whether each triple is a hydrogen bond in each frame.

    Args:
        x: Angstrom.
        triples: Donor, hydrogen, acceptor.
    """
    donor, hydrogen, acceptor = torch.from_numpy(triples).T
    to_donor, to_acceptor = x[:, donor] - x[:, hydrogen], x[:, acceptor] - x[:, hydrogen]
    length = torch.linalg.vector_norm(to_acceptor, dim=-1)
    cosine = (to_donor * to_acceptor).sum(-1) / (torch.linalg.vector_norm(to_donor, dim=-1) * length)
    return (length < HYDROGEN_BOND) & (cosine < np.cos(np.radians(HYDROGEN_ANGLE)))


def radius_of_gyration(x: torch.Tensor, masses: torch.Tensor) -> Array:
    """Return the radius of gyration about the centre of mass, angstrom, in float64."""
    weight = (masses / masses.sum()).to(torch.float64)
    values = x.to(torch.float64)
    centred = values - (weight[:, None] * values).sum(dim=1, keepdim=True)
    return np.asarray(((centred**2).sum(-1) * weight).sum(-1).sqrt().numpy())


@compiled
def _count_distances(x, counts, per_bin):  # type: ignore[no-untyped-def] # pragma: no cover
    for row in range(len(x)):
        for i in range(x.shape[1]):
            for j in range(i + 1, x.shape[1]):
                a, b, c = x[row, j, 0] - x[row, i, 0], x[row, j, 1] - x[row, i, 1], x[row, j, 2] - x[row, i, 2]
                place = np.sqrt(a * a + b * b + c * c) * per_bin
                if place < len(counts):
                    counts[int(place)] += 1
                else:  # NaN too
                    counts[-1] += 1


__all__ = [
    "BIN",
    "Comparison",
    "Observer",
    "Sums",
    "backbone_torsions",
    "compare",
    "density",
    "hydrogen_bonded",
    "possible_hydrogen_bonds",
    "radius_of_gyration",
]
