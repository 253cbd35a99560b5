"""Capped peptides by sequence: ``Ala-Gly`` is acetyl-alanyl-glycine N-methylamide, residues in the L form."""

from pesx.errors import MoleculeError

RESIDUES = {
    "Ala": "N[C@@H](C)C(=O)",
    "Gly": "NCC(=O)",
}
"""SMILES of each residue from amide nitrogen to carbonyl group, so that they can be written one after another."""

_ACETYL = "CC(=O)"
_METHYLAMIDE = "NC"


def peptide_name(sequence: str) -> str:
    """Return the name of a capped peptide, such as ``Ac-Ala-Gly-NHMe``."""
    return f"Ac-{sequence}-NHMe"


def peptide_smiles(sequence: str) -> str:
    """Return the SMILES of Ac-sequence-NHMe.

    Args:
        sequence: Three-letter codes joined by hyphens, N-terminus first.

    Raises:
        MoleculeError: A residue is unknown.
    """
    residues = sequence.split("-")
    unknown = [residue for residue in residues if residue not in RESIDUES]
    if unknown:
        raise MoleculeError(
            f"Expected residues out of {', '.join(RESIDUES)} joined by hyphens, came {unknown[0]!r} in {sequence!r}."
        )
    return _ACETYL + "".join(RESIDUES[residue] for residue in residues) + _METHYLAMIDE


__all__ = ["RESIDUES", "peptide_name", "peptide_smiles"]
