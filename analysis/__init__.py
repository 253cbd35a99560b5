"""What a person asks after a run: reads run folders and results, makes tables and figures. Imported as ``pesx.analysis``."""

from .disconnectivity import DisconnectivityGraph, disconnectivity, write_disconnectivity
from .discovery import Discovery, discovery, draw_discovery, write_discovery
from .learning_curves import LearningCurve, draw_learning_curves, learning_curves, learning_table
from .run import Run
from .tree_figure import draw_disconnectivity

__all__ = [
    "DisconnectivityGraph",
    "Discovery",
    "LearningCurve",
    "Run",
    "disconnectivity",
    "discovery",
    "draw_disconnectivity",
    "draw_discovery",
    "draw_learning_curves",
    "learning_curves",
    "learning_table",
    "write_disconnectivity",
    "write_discovery",
]
