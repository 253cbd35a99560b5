"""What a person asks after a run: reads run folders and results, makes tables and figures. Imported as ``pesx.analysis``."""

from .discovery import Discovery, discovery, draw_discovery, write_discovery
from .learning_curves import LearningCurve, draw_learning_curves, learning_curves, learning_table
from .run import Run

__all__ = [
    "Discovery",
    "LearningCurve",
    "Run",
    "discovery",
    "draw_discovery",
    "draw_learning_curves",
    "learning_curves",
    "learning_table",
    "write_discovery",
]
