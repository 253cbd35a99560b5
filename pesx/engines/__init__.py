"""Reference engines: programs that compute energies and forces, behind one interface."""

from pesx.engines.ase import AseEngine
from pesx.engines.engine import Engine
from pesx.engines.make import make_engine
from pesx.engines.pool import EnginePool, Label, Structure
from pesx.engines.pyscf import PyscfEngine
from pesx.engines.workers import Failed, Refused, WorkPool
from pesx.engines.xtb import XtbEngine

__all__ = [
    "AseEngine",
    "Engine",
    "EnginePool",
    "Failed",
    "Label",
    "PyscfEngine",
    "Refused",
    "Structure",
    "WorkPool",
    "XtbEngine",
    "make_engine",
]
