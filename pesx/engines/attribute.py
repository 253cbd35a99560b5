"""Things of a user's own by their place, ``module:attribute``."""

import importlib
import sys
from pathlib import Path
from typing import Any

from pesx.errors import InputError


def load_attribute(name: str) -> Any:
    """Return what ``module:attribute`` names; modules in the working directory are found too.

    Raises:
        InputError: There is no such module or attribute, or importing the module fails.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise InputError(f"Expected module:attribute; came {name!r}. Write both, with a colon between them.")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a module may do anything while it is imported
        raise InputError(
            f"Expected an importable module in {name!r}; importing it says: {type(error).__name__}: {error}. Correct it."
        ) from error
    finally:
        sys.path.remove(here)
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise InputError(f"Expected {attribute!r} in the module {module_name!r}; it has no such name.") from error


__all__ = ["load_attribute"]
