"""``pesx plugins``: the names that are known, by role."""

import json
from argparse import Namespace
from typing import get_args

from pesx.cli.streams import put
from pesx.engines.xtb import METHODS
from pesx.explore.presets import Method
from pesx.registry import POTENTIALS

_ABOUT = {
    "so3krates": "The learned model: that of the package, or of --model.",
    "lennard-jones": "Clusters, in units of the well depth.",
    "muller-brown": "A test surface in the plane, in units of its own.",
    "pyscf": "Density functionals and more, by PySCF.",
    "basin-hopping": "Metropolis walks on relaxed minima; steps and moves adapt.",
    "minima-hopping": "Escapes by short dynamics; temperature and acceptance follow the visits.",
    "mixed": "Both, three walkers of four by basin hopping, over one archive.",
    "displace": "Moves every coordinate a little.",
    "torsion": "Turns some rotatable bonds.",
    "crossover": "Takes a stretch of torsions from another minimum.",
    "amide": "Turns amide bonds; only with --amides allow.",
    "resite": "Puts loosely bound atoms of a cluster elsewhere on its surface.",
    "escape": "Softens the structure, then runs short dynamics over a barrier.",
}
_MOVES = ("displace", "torsion", "crossover", "amide", "resite", "escape")
_OWN = "module:attribute"


def run(arguments: Namespace) -> int:
    """Print what is known, and return the exit code."""
    roles = _roles()
    if arguments.json:
        put(json.dumps(roles))
        return 0
    lines = []
    for role, known in roles.items():
        lines += [f"{role}:", *(f"  {name:<18}{text}" for name, text in known.items()), ""]
    put("\n".join(lines).rstrip())
    return 0


def _roles() -> dict[str, dict[str, str]]:
    xtb = {name: f"{level}, by tblite." for name, level in METHODS.items()}
    own_potential = "Your own: a potential, or a function of the molecule that returns one."
    own_engine = "Your own: a function that returns an ASE calculator."
    return {
        "potentials": _about(tuple(POTENTIALS)) | xtb | {_OWN: own_potential},
        "engines": xtb | _about(("pyscf",)) | {_OWN: own_engine},
        "methods": _about(get_args(Method)),
        "moves": _about(_MOVES),
    }


def _about(names: tuple[str, ...]) -> dict[str, str]:
    return {name: _ABOUT[name] for name in names}
