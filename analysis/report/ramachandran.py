"""Backbone torsions of each residue: training frames, and known and new minima."""

from typing import Any

from pesx.analysis.descriptors import backbone_torsions
from pesx.landscape.network import count_text

from .material import Array, Material, left_out, plain

_MOST_RESIDUES = 12


def ramachandran(material: Material) -> dict[str, Any]:
    """Return phi and psi (degree) of each residue, a list for each kind of structure.

    ``minima`` are in the order of their numbers; ``frames`` are those of the training data, where they were given; ``implied``
    are minima that the data imply and the run has not found.
    """
    measured = material.measured
    n_residues = measured.phi.shape[1]
    if not n_residues:
        return left_out("There is no map of phi and psi, because the molecule has no residue between two amides.")
    if not len(material.run.minima):
        return left_out("There is no map of phi and psi, because no minimum was found yet.")
    molecule = material.run.molecule
    shown = {"minima": (measured.phi, measured.psi)}
    if material.frames is not None:
        shown["frames"] = backbone_torsions(molecule, material.frames)
    elsewhere = material.implied_elsewhere
    if len(elsewhere):
        shown["implied"] = backbone_torsions(molecule, elsewhere)
    return {
        "residues": [
            {name: _pairs(phi[:, residue], psi[:, residue]) for name, (phi, psi) in shown.items()}
            for residue in range(min(n_residues, _MOST_RESIDUES))
        ],
        "notes": _notes(material, n_residues, len(elsewhere)),
    }


def _pairs(phi: Array, psi: Array) -> dict[str, Any]:
    return {"phi": plain(phi, 1), "psi": plain(psi, 1)}


def _notes(material: Material, n_residues: int, n_elsewhere: int) -> list[str]:
    notes = []
    if n_residues > _MOST_RESIDUES:
        notes.append(f"the first {_MOST_RESIDUES} of {n_residues} residues")
    if material.frames is None:
        notes.append("no training frames were given (pesx report --data)")
    elif len(material.frames) < material.n_frames:
        notes.append(f"{len(material.frames):,} of {material.n_frames:,} training frames, evenly spaced")
    else:
        notes.append(f"{material.n_frames:,} training frames")
    if n_elsewhere:
        notes.append(f"{count_text(n_elsewhere, 'minimum', 'minima')} that the data imply and the run has not found")
    return notes


__all__ = ["ramachandran"]
