"""The structures of all minima, small enough for a page: sixteen bits for a coordinate."""

import base64
from typing import Any

import numpy as np
import torch
from ase.data import covalent_radii
from ase.data.colors import jmol_colors

from pesx.geometry.align import kabsch
from pesx.typing import Float, Tensor

from .material import Array, Material

_STEP = 1e-3
"""Angstrom: coordinates are whole numbers of it, unless a structure is so large that they would not fit."""

_LARGEST = 32_000

_TOUCHING = 1.2
"""Atoms of a cluster nearer than this times the shortest distance touch."""


def structures(material: Material) -> dict[str, Any]:
    """Return what draws the minima: elements, bonds, and coordinates as base64 of little-endian int16 in units of ``step``.

    All are turned to lie as the lowest does, and that one is seen along its shortest axis. Atoms of a cluster, which has no
    bonds, are joined in the picture where they touch: nearer than ``touching``.
    """
    molecule = material.run.molecule
    positions = oriented(material.run.minima.positions, material.energy, is_cluster=material.is_cluster)
    step = max(_STEP, float(positions.abs().max()) / _LARGEST) if len(positions) else _STEP
    packed = (positions / step).round().numpy().astype("<i2")
    symbols = molecule.symbols
    kinds = sorted(set(molecule.numbers.tolist()))
    return {
        "symbols": symbols,
        "bonds": molecule.bonds.tolist(),
        "hydrogen_bonds": material.measured.triplets.tolist(),
        "step": step,
        "positions": base64.b64encode(packed.tobytes()).decode("ascii"),
        "unit": material.length_unit,
        "touching": _touching(positions) if material.is_cluster else 0.0,
        "elements": {
            symbols[molecule.numbers.tolist().index(number)]: {
                "radius": round(float(covalent_radii[number]), 3),
                "colour": _colour(number),
            }
            for number in kinds
        },
    }


def oriented(positions: Float[Tensor, "M N 3"], energy: Array, *, is_cluster: bool) -> Float[Tensor, "M N 3"]:
    """Return structures centred and turned: the lowest onto its principal axes, the others onto it with the least RMSD.

    Structures of a cluster, whose atoms are alike, go onto their own principal axes.

    Args:
        positions: Angstrom.
        energy: NaN where it is not known.
        is_cluster: Whether atoms have no identity.
    """
    centred = torch.nan_to_num(positions.double() - positions.double().mean(dim=1, keepdim=True))
    if not len(positions):
        return centred
    if is_cluster:
        return _on_axes(centred)
    known = np.where(np.isfinite(energy), energy, np.inf)
    lowest = _on_axes(centred[int(np.argmin(known))][None])
    return centred @ kabsch(centred, lowest.expand_as(centred)).mT


def _on_axes(centred: Float[Tensor, "M N 3"]) -> Float[Tensor, "M N 3"]:
    """Turn each so that it is longest along x and shortest along z; never into its mirror image."""
    axes = torch.linalg.eigh(centred.mT @ centred).eigenvectors.flip(-1)
    axes = (
        axes
        * torch.stack([torch.ones(len(axes)), torch.ones(len(axes)), torch.linalg.det(axes).sign()], dim=-1)[:, None]
    )
    return centred @ axes


def _touching(positions: Float[Tensor, "M N 3"]) -> float:
    if not len(positions) or positions.shape[1] < 2:
        return 0.0
    return _TOUCHING * float(torch.stack([torch.nn.functional.pdist(one).min() for one in positions]).min())


def _colour(number: int) -> str:
    """Return Jmol's colour, but greys for carbon and hydrogen that are seen on white."""
    shown = {1: "#e9edf0", 6: "#5b6066", 7: "#3b6fd4", 8: "#d6362b", 18: "#5fa8b8"}
    red, green, blue = (round(255 * value) for value in jmol_colors[number])
    return shown.get(number, f"#{red:02x}{green:02x}{blue:02x}")


__all__ = ["oriented", "structures"]
