"""Units by name: what a number of a file is to be multiplied by."""

from collections.abc import Mapping

from pesx.errors import ConfigError, InputError
from pesx.units import ENERGY_UNITS, LENGTH_UNITS


def energy_factor(unit: str) -> float:
    """Return an energy unit in eV.

    Raises:
        ConfigError: The unit is not known.
    """
    return _known(unit, ENERGY_UNITS, "a unit of energy")


def length_factor(unit: str) -> float:
    """Return a unit of length in angstrom.

    Raises:
        ConfigError: The unit is not known.
    """
    return _known(unit, LENGTH_UNITS, "a unit of length")


def force_factor(unit: str) -> float:
    """Return a unit of force, an energy over a length such as ``kcal/mol/angstrom``, in eV/angstrom.

    Raises:
        ConfigError: The unit is not known.
    """
    energy, _, length = unit.rpartition("/")
    if energy.lower() not in ENERGY_UNITS or length.lower() not in LENGTH_UNITS:
        raise ConfigError(
            f"Expected a unit of force, came {unit!r}. Write one of {', '.join(ENERGY_UNITS)}, a slash, "
            f"and one of {', '.join(LENGTH_UNITS)}."
        )
    return energy_factor(energy) / length_factor(length)


def require_same_unit(said: str, unit: str, *, where: str) -> None:
    """Refuse a unit that is not the one written in the file.

    Args:
        said: As the file names it; case does not matter.
        unit: As the settings name it.
        where: File and column, for the message.

    Raises:
        InputError: The two differ.
    """
    if said.strip().lower() != unit.lower():
        raise InputError(
            f"{where}: expected the unit {unit!r}, but the file says {said.strip()!r}. Correct one of them."
        )


def _known(unit: str, units: Mapping[str, float], expected: str) -> float:
    if unit.lower() not in units:
        raise ConfigError(f"Expected {expected}, came {unit!r}. Known are {', '.join(units)}.")
    return units[unit.lower()]
