"""Whether numbers can be of the units they are said to be of.

Three looks: how near atoms come to each other, how deep energies lie, and whether energies change between near frames by what
the forces say. Energies and forces that are both too small by one factor pass: they could be those of valence electrons. Two
more looks find frames in other units than the rest: distances, and energies far from the others.
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
from pesx.training.dataset import LARGEST_BINDING
from pesx.training.sources.settings import FileSettings
from pesx.units import HARTREE, LENGTH_UNITS

N_FRAMES = 150
"""So many frames of a molecule are looked at."""

N_DISTANCES = 20
"""For distances, about so many of them."""

NEAREST = (0.6, 1.6)
"""Range of the shortest distance, median over frames, in sums of covalent radii. A bohr is 0.53 angstrom, outside of it."""

OTHER_SCALE = 1.6
"""Frames whose atoms are nearer to, or farther from, their neighbours than usual by this factor are in another unit."""

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
    _require_one_scale(numbers, positions, rows=rows, where=where)
    if "energy" in frames:
        _require_bound(numbers, frames["energy"][rows], unit=settings.energy_unit, where=where)
        _require_one_zero(frames["energy"], len(numbers), where=where)
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


def _require_one_scale(
    numbers: NDArray[np.int64], positions: NDArray[np.float64], *, rows: NDArray[np.int64], where: str
) -> None:
    """Refuse frames of which all distances differ from those of the others. Two atoms alone may come apart."""
    if len(numbers) < 3 or np.isin(numbers, NOBLE_GASES).all():
        return
    radii = covalent_radii[numbers]
    bonds = radii[:, None] + radii
    np.fill_diagonal(bonds, np.nan)
    # The middle of all atoms, because one close contact or one atom that has left is no matter of units.
    nearest = np.array([np.median(np.nanmin(squareform(pdist(frame)) / bonds, axis=1)) for frame in positions])
    off = nearest / np.median(nearest)
    strange = np.flatnonzero((off > OTHER_SCALE) | (off < 1 / OTHER_SCALE))
    if len(strange):
        raise InputError(
            f"{where}: expected frames on one scale of length, came frame {rows[strange[0]]} of the molecule, where the "
            f"nearest atoms are {off[strange[0]]:.2f} times as far from each other as usual ({len(strange)} of {len(rows)}). "
            "Bring all to one unit, or remove these frames."
        )


def _require_one_zero(energy: Any, n_atoms: int, *, where: str) -> None:
    """Refuse frames whose energies are further from the others than all bonds together are worth."""
    known = np.flatnonzero(~np.ma.getmaskarray(energy))
    if not len(known):
        return
    values = np.ma.getdata(energy)[known]
    middle, limit = float(np.median(values)), LARGEST_BINDING * n_atoms
    strange = known[np.abs(values - middle) > limit]
    if len(strange):
        raise InputError(
            f"{where}: expected energies within {limit:.0f} eV of their median, {middle:.6g} eV, came "
            f"{float(energy[strange[0]]):.6g} eV in frame {strange[0]} of the molecule ({len(strange)} of {len(known)}). "
            "Bring all to one unit and one zero, or remove these frames."
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
