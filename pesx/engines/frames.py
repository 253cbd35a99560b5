"""Files of many frames, read by ASE, and what the comment line of each says about its molecule."""

from pathlib import Path

import ase
import ase.io

from pesx.errors import InputError


def read_frames(path: str | Path, *, kind: str | None = None) -> list[ase.Atoms]:
    """Return all frames of a file.

    Args:
        path: Any file that ASE reads.
        kind: ASE's name of the format; by the name and content of the file where not given.

    Raises:
        InputError: ASE cannot read it.
    """
    try:
        return list(ase.io.iread(str(path), index=":", format=kind))
    except KeyError as error:  # its table of elements is a dictionary
        raise InputError(
            f"Expected structures in {path}, but ASE does not know {error}. Correct it, if it is to be an element."
        ) from error
    except Exception as error:  # its readers raise whatever comes
        raise InputError(
            f"Expected structures in {path}, but ASE cannot read it: {str(error) or type(error).__name__}."
        ) from error


def frame_identity(atoms: ase.Atoms, *, where: str) -> tuple[str, int, int]:
    """Return name, total charge (e) and multiplicity (2S+1) of a frame.

    They are its ``name``, ``charge``, and ``spin`` or ``multiplicity``; else the formula, 0 and 1.

    Args:
        atoms: As ASE read it.
        where: File and number of the frame, for messages.

    Raises:
        InputError: Charge or multiplicity is no whole number, or the multiplicity is below 1.
    """
    info = atoms.info
    charge = _whole(info.get("charge", 0), f"{where}: expected a whole number for charge")
    asked = f"{where}: expected a whole number of at least 1 for spin (2S+1)"
    multiplicity = _whole(info.get("spin", info.get("multiplicity", 1)), asked)
    if multiplicity < 1:
        raise InputError(f"{asked}, came {multiplicity}. Correct it.")
    return str(info.get("name", atoms.get_chemical_formula())), charge, multiplicity


def _whole(value: object, expected: str) -> int:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if not number.is_integer():
        raise InputError(f"{expected}, came {value!r}. Correct it.")
    return int(number)


__all__ = ["frame_identity", "read_frames"]
