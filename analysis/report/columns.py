"""The properties of the minima: columns of the table, colours of the graph, axes of the map."""

from typing import Any

import numpy as np

from pesx.verification.compare import Comparison

from .material import Array, Material, plain
from .torsions import principal_components

_OF_NOVELTY = {
    "torsion_distance": ("torsion distance to the data", "°"),
    "rmsd_distance": ("RMSD to the data", "Å"),
    "feature_distance": ("feature distance to the data", ""),
    "uncertainty": ("uncertainty", "kcal/mol"),
    "frames": ("frames that end there", ""),
    "energy_error": ("energy error", "kcal/mol"),
    "rmsd": ("RMSD when relaxed at the reference", "Å"),
}

_MOST_TORSIONS = 12
"""Residues whose torsions are columns; the map of torsions shows as many."""


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def columns(material: Material) -> list[dict[str, Any]]:
    """Return the columns, each with ``key``, ``label``, ``unit``, ``kind`` (number, group) and a value for each minimum.

    Numbers that are not known are None. A column that no minimum has a value of is left out.
    """
    minima = material.run.minima
    curvature_unit = "eV/Å²" if material.network.unit == "eV" else "ε/σ²"
    found = [
        _number("energy", "energy above the lowest", material.unit, material.relative_energy),
        _number("visits", "visits", "", minima.visits.numpy()),
        *_shapes(material),
        *_novelty(material),
        _number("lowest_curvature", "lowest curvature", curvature_unit, minima.lowest_curvature.numpy()),
        *_principal(material),
    ]
    keys = [key.strip("|") for key in minima.keys]
    if len(set(keys)) > 1:
        found.append({"key": "chemistry", "label": "chemistry", "unit": "", "kind": "group", "values": keys})
    return [column for column in found if any(value is not None for value in column["values"])]


def rmsd_to_lowest(material: Material) -> Array:
    """Return the RMSD of the heavy atoms of each minimum to the lowest, over the symmetry of the bond graph, angstrom."""
    positions, energy = material.run.minima.positions, material.energy
    n_heavy = int((material.run.molecule.numbers > 1).sum())
    if material.is_cluster or not np.isfinite(energy).any() or n_heavy < 2:
        return np.full(len(energy), np.nan)
    mirror = "distinct" if material.settings is None else material.settings.mirror
    lowest = positions[int(np.nanargmin(energy))]
    distance: Array = (
        Comparison(material.run.molecule, mirror).heavy_distance(positions, lowest.expand_as(positions)).numpy()
    )
    return distance


def _number(key: str, label: str, unit: str, values: Array) -> dict[str, Any]:
    return {"key": key, "label": label, "unit": unit, "kind": "number", "values": plain(values)}


def _shapes(material: Material) -> list[dict[str, Any]]:
    measured, unit = material.measured, material.length_unit
    gyration = np.full(len(material.run.minima), np.nan)
    gyration[material.network.minima.number] = material.network.minima.properties["radius_of_gyration"]
    shapes = [
        _number("radius_of_gyration", "radius of gyration", unit, gyration),
        _number("rmsd_to_lowest", "RMSD to the lowest, heavy atoms", unit, rmsd_to_lowest(material)),
    ]
    for key, label, unit_, values in (
        ("end_to_end", "end-to-end distance", unit, measured.end_to_end),
        ("hydrogen_bonds", "hydrogen bonds", "", measured.hydrogen_bonds),
        ("helix", "share of helix", "", measured.helix),
        ("strand", "share of strand", "", measured.strand),
    ):
        if values is not None:
            shapes.append(_number(key, label, unit_, values))
    for residue in range(min(measured.phi.shape[1], _MOST_TORSIONS)):
        for key, letter, angles in (("phi", "φ", measured.phi), ("psi", "ψ", measured.psi)):
            label = f"{letter}{str(residue + 1).translate(_SUBSCRIPTS)}"
            shapes.append(_number(f"{key}_{residue + 1}", label, "°", np.round(angles[:, residue], 1)))
    return shapes


def _novelty(material: Material) -> list[dict[str, Any]]:
    found = []
    for key, names in (("new", ("known", "new")), ("survives", ("does not", "survives"))):
        values = material.novelty.get(key)
        if values is not None and np.isfinite(values).any():
            texts = [None if np.isnan(value) else names[int(value)] for value in values.tolist()]
            label = {"new": "new or known", "survives": "survives at the reference"}[key]
            found.append({"key": key, "label": label, "unit": "", "kind": "group", "values": texts})
    found += [
        _number(key, label, unit, material.novelty[key])
        for key, (label, unit) in _OF_NOVELTY.items()
        if key in material.novelty
    ]
    return found


def _principal(material: Material) -> list[dict[str, Any]]:
    scores, shares = principal_components(material)
    return [
        _number(f"pc_{axis + 1}", f"torsion component {axis + 1} ({shares[axis]:.0%})", "", scores[:, axis])
        for axis in range(scores.shape[1])
    ]


__all__ = ["columns", "rmsd_to_lowest"]
