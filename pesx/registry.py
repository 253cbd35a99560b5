"""Names to objects: the potentials one can ask for, and anything of a user's own as ``module:attribute``."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from pesx.engines.attribute import load_attribute
from pesx.engines.make import make_engine
from pesx.errors import ConfigError, ContractError, InputError, PesxError
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


def let_go(potential: Potential) -> None:
    """End what a potential holds, such as worker processes."""
    if callable(end := getattr(potential, "close", None)):
        end()


@contextmanager
def own_faults(name: str) -> Iterator[None]:
    """Say of an exception out of a user's own potential that it is one.

    Args:
        name: Of the potential; nothing is done unless it is ``module:attribute``.

    Raises:
        ContractError: Something other than a message of pesx came out of that module.
    """
    try:
        yield
    except (PesxError, MemoryError):
        raise
    except Exception as error:
        place, colon, _ = name.partition(":")
        package = place.partition(".")[0]
        own = [
            f"{frame.f_code.co_filename}, line {line}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if str(frame.f_globals.get("__name__")).partition(".")[0] == package
        ]
        if not (colon and own):
            raise
        raise ContractError(
            f"Expected the potential {name!r} to answer every geometry, with NaN where it cannot; it raised "
            f"{_said(error)} ({own[-1]}). What was stored before is intact: correct it and resume the run."
        ) from error


def _from_attribute(name: str, molecule: Molecule) -> Potential:
    thing = load_attribute(name)
    told = []
    if not isinstance(thing, type):
        fault = _fault(name, thing, molecule)
        if not fault:
            return thing  # type: ignore[no-any-return]
        told.append(f"given positions it {fault}")
    if callable(thing):
        try:
            built = thing(molecule)
        except MemoryError:
            raise
        except Exception as error:  # a user's own function may raise anything
            told.append(f"given the molecule it raised {_said(error)}")
        else:
            fault = _fault(name, built, molecule)
            if not fault:
                return built  # type: ignore[no-any-return]
            told.append(f"given the molecule it returned {type(built).__name__!r}, which given positions {fault}")
    raise ContractError(
        f"Expected {name!r} to be a potential, positions (B, N, 3) -> Evaluation, or a function of the molecule that "
        f"returns one; {', and '.join(told)}. Correct it with the help of pesx.testing.check_potential."
    )


def _fault(name: str, thing: Any, molecule: Molecule) -> str:
    """Return why this does not answer positions with an evaluation; empty if it does.

    Raises:
        ContractError: It does, but energy or forces have another shape or dtype, or are elsewhere than the positions.
    """
    if not callable(thing):
        return "cannot be called"
    # Two replicas, because with one a sum over the batch would go unnoticed.
    positions = molecule.positions.repeat(2, 1, 1)
    try:
        now = thing(positions)
    except MemoryError:
        raise
    except Exception as error:  # a user's own code may raise anything
        return f"raised {_said(error)}"
    if not isinstance(now, Evaluation):
        return f"returned {type(now).__name__!r}"
    for what, value, model in (("energy", now.energy, positions[:, 0, 0]), ("forces", now.forces, positions)):
        came = _form(value) if isinstance(value, torch.Tensor) else repr(type(value).__name__)
        if came != _form(model):
            raise ContractError(
                f"Expected from the potential {name!r} {what} of {_form(model)} for positions of {_form(positions)}; came "
                f"{came}. Correct it with the help of pesx.testing.check_potential."
            )
    return ""


def _form(tensor: torch.Tensor) -> str:
    return f"shape {tuple(tensor.shape)}, {tensor.dtype}, on {tensor.device}"


def _said(error: Exception) -> str:
    """Return type and text of an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _so3krates(molecule: Molecule, model: str | None, device: str) -> tuple[Potential, Source]:
    network, _ = checkpoint.load(model)
    potential = LearnedPotential(
        network, molecule.numbers, device=device, charge=molecule.charge, multiplicity=molecule.multiplicity
    )
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
