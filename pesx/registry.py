"""Names to objects: the potentials one can ask for, and anything of a user's own as ``module:attribute``."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pesx.engines.make import make_engine
from pesx.errors import ConfigError, ContractError, InputError
from pesx.molecule import Molecule
from pesx.potentials.ase import AsePotential
from pesx.potentials.learned import LearnedPotential
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.protocols import Potential
from pesx.so3krates import checkpoint
from pesx.state import Evaluation

REDUCED = ("lennard-jones", "muller-brown")
"""Potentials in units of their own: energies and lengths are plain numbers."""


@dataclass(frozen=True)
class Source:
    """Where a potential comes from, for the record.

    Attributes:
        name: As asked for.
        level: Level of theory, as text.
        digest: Hash of the model's weights; empty where there is no model.
    """

    name: str
    level: str
    digest: str = ""


def make_potential(
    name: str, molecule: Molecule, *, model: str | None = None, device: str = "cpu", n_workers: int = 1
) -> tuple[Potential, Source]:
    """Return a potential bound to a molecule.

    Args:
        name: A key of :data:`POTENTIALS`, an engine such as ``gfn2``, or ``module:attribute``: a potential, or a function
            that takes the molecule and returns one.
        molecule: What it is bound to.
        model: Model file, for ``so3krates`` only; None for the model in the package.
        device: Where a learned potential runs.
        n_workers: Processes of an engine.

    Raises:
        InputError: No potential has this name, or it does not fit the molecule.
        CheckpointError: The model file cannot be used.
        ContractError: What ``module:attribute`` gave is not a potential.
    """
    if model is not None and name != "so3krates":
        raise ConfigError(
            f"Expected no model file for the potential {name!r}; came {model!r}. Leave one of the two out."
        )
    if name in POTENTIALS:
        return POTENTIALS[name](molecule, model, device)
    if ":" in name:
        return _from_attribute(name, molecule), Source(name, name)
    try:
        engine = make_engine(name)
    except InputError as error:
        known = ", ".join([*POTENTIALS, "gfn2", "gfn1"])
        raise InputError(f"Expected a potential out of {known}, or module:attribute; came {name!r}.") from error
    charges = {"charge": molecule.charge, "multiplicity": molecule.multiplicity}
    return AsePotential(engine, molecule.numbers, n_workers=n_workers, **charges), Source(name, engine.level)


def load_attribute(name: str) -> Any:
    """Return what ``module:attribute`` names; modules in the working directory are found too.

    Raises:
        InputError: There is no such module or attribute.
    """
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"Expected an importable module in {name!r}; importing it says: {error}.") from error
    finally:
        sys.path.remove(here)
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise InputError(f"Expected {attribute!r} in the module {module_name!r}; it has no such name.") from error


def _from_attribute(name: str, molecule: Molecule) -> Potential:
    thing = load_attribute(name)
    potential = thing if _answers(thing, molecule) else thing(molecule) if callable(thing) else None
    if potential is None or not _answers(potential, molecule):
        raise ContractError(
            f"Expected {name!r} to be a potential, positions (B, N, 3) -> Evaluation, or a function of the molecule that "
            f"returns one; came {thing!r}. See pesx.testing.check_potential."
        )
    return potential  # type: ignore[no-any-return]


def _answers(thing: Any, molecule: Molecule) -> bool:
    """Whether calling it with positions gives an evaluation."""
    if isinstance(thing, type) or not callable(thing):
        return False
    try:
        return isinstance(thing(molecule.positions[None]), Evaluation)
    except (TypeError, AttributeError, ValueError, RuntimeError):
        return False


def _so3krates(molecule: Molecule, model: str | None, device: str) -> tuple[Potential, Source]:
    network, _ = checkpoint.load(model)
    electrons = {"charge": molecule.charge, "multiplicity": molecule.multiplicity}
    potential = LearnedPotential(network, molecule.numbers, device=device, **electrons)
    return potential, Source("so3krates", network.settings.levels[0], checkpoint.model_hash(network))


POTENTIALS: dict[str, Callable[[Molecule, str | None, str], tuple[Potential, Source]]] = {
    "so3krates": _so3krates,
    "lennard-jones": lambda *_: (LennardJones(), Source("lennard-jones", "lennard-jones")),
    "muller-brown": lambda *_: (MullerBrown(), Source("muller-brown", "muller-brown")),
}
"""Built-in potentials by name."""


def choose_device(name: str) -> str:
    """Return the device for a name: ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: The device does not exist here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"Expected a device that exists here, such as cpu; came {name!r}. Choose auto or cpu."
        ) from error
    return name
