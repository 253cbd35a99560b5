"""Whether numbers can be of the units they are said to be of.

Three looks: how near atoms come to each other, how deep energies lie, and whether energies change between near frames by what
the forces say. Energies and forces that are both too small by one factor pass: they could be those of valence electrons.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from pesx.errors import InputError
from pesx.geometry.align import centre, kabsch
from pesx.training.sources.settings import FileSettings
from pesx.units import HARTREE, LENGTH_UNITS

N_FRAMES = 150
"""So many frames of a molecule are looked at."""

N_DISTANCES = 20
"""For distances, about so many of them."""

NEAREST = (0.6, 1.6)
"""Range of the shortest distance, median over frames, in sums of covalent radii. A bohr is 0.53 angstrom, outside of it."""

NOBLE_GASES = (2, 10, 18, 36, 54, 86, 118)
"""Molecules of these alone have no bonds to measure."""

DEEPEST = 2.0
"""Times the Thomas-Fermi energy; electronic energies stay below once."""

SLOPE = (0.6, 1.6)
"""Range of the change of the energy between near frames over the work of the forces."""

LEAST_FRAMES = 50
"""Fewer frames are too far from each other to compare energies with forces."""

NEAR = 0.5
"""Frames with a larger RMSD are not compared, angstrom."""

CORRELATION = 0.9
"""Below, near frames are too far from each other for a verdict."""


def require_plausible(
    numbers: NDArray[np.int64], frames: Mapping[str, Any], *, settings: FileSettings, where: str
) -> None:
    """Refuse frames whose numbers cannot be of the units that the settings name.

    Args:
        numbers: Atomic numbers, (N,).
        frames: ``positions``, ``energy``, ``forces`` in eV and angstrom, as far as they are there.
        settings: Names of the units, for messages.
        where: File and molecule, for messages.

    Raises:
        InputError: They cannot; the message says what was found.
    """
    rows = np.unique(np.linspace(0, len(frames["positions"]) - 1, N_FRAMES).round().astype(np.int64))
    positions = np.asarray(frames["positions"])[rows]
    _require_bonds(numbers, positions[:: max(1, len(rows) // N_DISTANCES)], unit=settings.length_unit, where=where)
    if "energy" in frames:
        _require_bound(numbers, frames["energy"][rows], unit=settings.energy_unit, where=where)
    if "energy" in frames and "forces" in frames:
        has = ~np.ma.getmaskarray(frames["energy"][rows])
        has &= ~np.ma.getmaskarray(frames["forces"][rows]).any(axis=(1, 2))
        energy, forces = (np.ma.getdata(frames[key][rows])[has] for key in ("energy", "forces"))
        _require_slope(positions[has], energy, forces, settings=settings, where=where)


def _require_bonds(numbers: NDArray[np.int64], positions: NDArray[np.float64], *, unit: str, where: str) -> None:
    if len(numbers) < 2 or np.isin(numbers, NOBLE_GASES).all():
        return
    radii = covalent_radii[numbers]
    bonds = radii[:, None] + radii
    ratios = np.stack([squareform(pdist(frame)) for frame in positions]) / bonds
    ratios[:, np.eye(len(numbers), dtype=bool)] = np.inf
    shortest = ratios.min(axis=(1, 2))
    typical = float(np.median(shortest))
    if NEAREST[0] <= typical <= NEAREST[1]:
        return
    frame = int(np.argsort(shortest)[len(shortest) // 2])
    pair = np.unravel_index(int(ratios[frame].argmin()), bonds.shape)
    expected, found = bonds[pair], ratios[frame][pair] * bonds[pair]
    factor = LENGTH_UNITS[unit.lower()]
    fitting = min(LENGTH_UNITS, key=lambda name: abs(np.log(typical * LENGTH_UNITS[name] / factor)))
    advice = f"; {fitting!r} would fit best" if fitting != unit.lower() else ""
    raise InputError(
        f"{where}: expected the nearest atoms at about the sum of their covalent radii ({expected:.2f} angstrom), came "
        f"{found:.3g} angstrom. Check length_unit = {unit!r}{advice}."
    )


def _require_bound(numbers: NDArray[np.int64], energy: Any, *, unit: str, where: str) -> None:
    """Compare with the energy of Thomas and Fermi, 0.7687 Z^(7/3) hartree an atom; Lieb 1981, doi:10.1103/RevModPhys.53.603."""
    deepest = DEEPEST * 0.7687 * HARTREE * float((numbers ** (7 / 3)).sum())
    largest = float(np.ma.abs(energy).max()) if np.ma.count(energy) else 0.0
    if largest > deepest:
        raise InputError(
            f"{where}: expected energies above {-deepest:.4g} eV, more than all its electrons can bring, "
            f"came {-largest:.4g} eV. Check energy_unit = {unit!r}."
        )


def _require_slope(
    positions: NDArray[np.float64],
    energy: NDArray[np.float64],
    forces: NDArray[np.float64],
    *,
    settings: FileSettings,
    where: str,
) -> None:
    if len(positions) < LEAST_FRAMES:
        return
    work, change = near_changes(positions, energy, forces)
    if len(work) < LEAST_FRAMES or not work.std() * change.std():
        return
    if abs(np.corrcoef(work, change)[0, 1]) < CORRELATION:
        return
    slope = float(work @ change / (work @ work))
    if SLOPE[0] <= slope <= SLOPE[1]:
        return
    sign = "false" if settings.gradients else "true"
    advice = f"gradients = {sign} would turn the forces" if slope < 0 else "they do not go together"
    raise InputError(
        f"{where}: expected energies that change as the forces say, but between near frames they change by {slope:.3g} times "
        f"that. Check energy_unit = {settings.energy_unit!r}, length_unit = {settings.length_unit!r} and "
        f"force_unit = {settings.force_unit!r}; {advice}."
    )


def near_changes(
    positions: NDArray[np.float64], energy: NDArray[np.float64], forces: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the energy changes between the nearest pairs of frames.

    Args:
        positions: Angstrom, (K, N, 3).
        energy: eV, (K,).
        forces: eV/angstrom, (K, N, 3).

    Returns:
        Minus the work of the mean force along the straight line, after superposition, and the difference of the energies,
        both in eV, for at most K pairs.
    """
    one, other = np.triu_indices(len(positions), 1)
    still = centre(torch.as_tensor(positions[one], dtype=torch.float64))
    moved = centre(torch.as_tensor(positions[other], dtype=torch.float64))
    rotation = kabsch(moved, still)
    step = (moved @ rotation.mT - still).numpy()
    turned = (torch.as_tensor(forces[other], dtype=torch.float64) @ rotation.mT).numpy()
    distance = np.sqrt((step**2).sum(axis=(1, 2)) / positions.shape[1])
    near = np.argsort(distance)[: len(positions)]
    near = near[distance[near] < NEAR]
    work = -((forces[one] + turned) / 2 * step).sum(axis=(1, 2))
    return work[near], (energy[other] - energy[one])[near]
