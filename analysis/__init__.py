"""What a person asks after a run: reads run folders, makes tables and figures. Imported as ``pesx.analysis``."""

from .discovery import Discovery, discovery, draw_discovery, write_discovery
from .run import Run

__all__ = ["Discovery", "Run", "discovery", "draw_discovery", "write_discovery"]
