"""Exploration of potential-energy surfaces and conformer search with a batched force field.

The names below are loaded when they are first used, so that ``import pesx`` and ``pesx --help`` cost nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pesx.calculator import PesxCalculator
    from pesx.chemistry.read import read_molecule
    from pesx.landscape.archive import MinimaArchive
    from pesx.landscape.store import RunStore
    from pesx.molecule import Molecule
    from pesx.outcome import Outcome
    from pesx.registry import make_potential
    from pesx.run import ExploreSettings, Run
    from pesx.state import Evaluation, Minima

_HOMES = {
    "Evaluation": "pesx.state",
    "ExploreSettings": "pesx.run",
    "Minima": "pesx.state",
    "MinimaArchive": "pesx.landscape.archive",
    "Molecule": "pesx.molecule",
    "Outcome": "pesx.outcome",
    "PesxCalculator": "pesx.calculator",
    "Run": "pesx.run",
    "RunStore": "pesx.landscape.store",
    "make_potential": "pesx.registry",
    "read_molecule": "pesx.chemistry.read",
}

__all__ = [
    "Evaluation",
    "ExploreSettings",
    "Minima",
    "MinimaArchive",
    "Molecule",
    "Outcome",
    "PesxCalculator",
    "Run",
    "RunStore",
    "make_potential",
    "read_molecule",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pesx' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
