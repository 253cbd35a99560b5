"""Chemistry around a molecule: reading it, perceiving its bonds and stereochemistry, its symmetry, and embedding it."""

from pesx.chemistry.embed import embed, molecule_from_smiles
from pesx.chemistry.perceive import Rotors, Topology, perceive, perceive_bonds
from pesx.chemistry.read import read_molecule

__all__ = ["Rotors", "Topology", "embed", "molecule_from_smiles", "perceive", "perceive_bonds", "read_molecule"]
