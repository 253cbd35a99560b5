"""Production of labelled structures, and the file that holds them."""

from pesx.labelling.label import Labelled, label, label_geometries
from pesx.labelling.plan import Plan, read_plan
from pesx.labelling.store import LabelStore, MoleculeRow

__all__ = ["LabelStore", "Labelled", "MoleculeRow", "Plan", "label", "label_geometries", "read_plan"]
