"""Engines by name."""

from pesx.engines.ase import AseEngine
from pesx.engines.engine import Engine
from pesx.engines.pyscf import PyscfEngine
from pesx.engines.xtb import METHODS, XtbEngine
from pesx.errors import InputError


def make_engine(name: str, level: str | None = None) -> Engine:
    """Return an engine by name.

    Args:
        name: ``gfn2``, ``gfn1``, ``pyscf``, or ``module:attribute``, where the attribute makes an ASE calculator.
        level: For ``pyscf`` what to compute, such as ``b3lyp-d4/def2-svp``; for ``module:attribute`` what the
            calculator computes, as it shall be written beside its labels.

    Raises:
        InputError: No engine has this name, or the level does not fit it.
        MissingExtraError: The program behind it is not installed.
    """
    if name in METHODS:
        engine = XtbEngine(name)
        if level is not None and level.lower() != engine.level.lower():
            raise InputError(f"Expected no level, or {engine.level!r}, for the engine {name!r}, came {level!r}.")
        return engine
    if name == "pyscf":
        return PyscfEngine() if level is None else PyscfEngine(level)
    if ":" in name:
        return AseEngine(name, level_of_theory=level or name)
    known = ", ".join([*METHODS, "pyscf"])
    raise InputError(f"Expected an engine out of {known}, or module:attribute of an ASE calculator, came {name!r}.")


__all__ = ["make_engine"]
