"""Labelled frames from HDF5 files with one group for each molecule, as SPICE has them, doi:10.1038/s41597-022-01882-6."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from pesx.errors import InputError, MissingExtraError
from pesx.training.sources.columns import Columns, atomic_numbers
from pesx.training.sources.format import Format
from pesx.training.sources.settings import FileSettings
from pesx.training.sources.units import require_same_unit

NAMES = {
    "positions": "conformations",
    "numbers": "atomic_numbers",
    "energy": "dft_total_energy",
    "forces": "dft_total_gradient",
}
"""Names of the data sets of a group."""

_UNITS = {"positions": "length_unit", "energy": "energy_unit", "forces": "force_unit"}


def read_hdf5(settings: FileSettings) -> list[Columns]:
    """Return the frames of every group that has positions, at any depth.

    A group may say ``charge`` and ``multiplicity``, as attributes or data sets; else a data set ``smiles`` gives the charge.

    Raises:
        MissingExtraError: h5py is not installed.
        InputError: The file is no HDF5, has no such groups, or the attribute ``units`` of a data set contradicts the settings.
    """
    if find_spec("h5py") is None:
        raise MissingExtraError("h5py", "hdf5")
    import h5py

    names = NAMES | dict(settings.keys)
    groups: list[str] = []

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and names["positions"] in item:
            groups.append(name)

    try:
        with h5py.File(Path(settings.path), "r") as file:
            file.visititems(collect)
            if not groups:
                raise InputError(
                    f"{settings.path}: expected groups with a data set {names['positions']!r}, found none. "
                    "Name yours: keys.positions = ..."
                )
            return [_columns(name, file[name], names, settings) for name in groups]
    except OSError as error:
        raise InputError(f"Expected an HDF5 file at {settings.path}, came another: {error}.") from error


FORMAT = Format("hdf5", read_hdf5, suffixes=(".h5", ".hdf5"), gradients=True)


def _columns(name: str, group: Any, names: dict[str, str], settings: FileSettings) -> Columns:
    where = f"{settings.path}, group {name!r}"
    values: dict[str, Any] = {}
    for what, key in names.items():
        if key in group:
            _require_unit(what, group[key], settings, where=f"{where}, {key}")
            values[what] = group[key][()]
        elif what == "numbers" or what in settings.keys:
            there = ", ".join(sorted(group))
            raise InputError(f"{where}: expected a data set {key!r}, came {there}. Name it: keys.{what} = ...")
    if np.ndim(values["positions"]) != 3:
        raise InputError(
            f"{where}, {names['positions']}: expected the shape (K, N, 3), came {np.shape(values['positions'])}. Correct the "
            "file, or name another data set: keys.positions = ..."
        )
    charge, multiplicity = (_whole(group, what, where) for what in ("charge", "multiplicity"))
    return Columns(
        numbers=atomic_numbers(values["numbers"], where=f"{where}, {names['numbers']}"),
        positions=values["positions"],
        energy=values.get("energy"),
        forces=values.get("forces"),
        name=name,
        charge=_charge_of_smiles(group, where) if charge is None else charge,
        multiplicity=multiplicity,
    )


def _require_unit(what: str, dataset: Any, settings: FileSettings, *, where: str) -> None:
    said = dataset.attrs.get("units")
    unit = getattr(settings, _UNITS[what]) if what in _UNITS else ""
    if said is not None and unit:
        require_same_unit(said.decode() if isinstance(said, bytes) else str(said), unit, where=where)


def _whole(group: Any, what: str, where: str) -> int | None:
    said = group.attrs[what] if what in group.attrs else group[what][()] if what in group else None
    if said is None:
        return None
    if np.size(said) != 1 or not float(np.ravel(said)[0]).is_integer():
        raise InputError(f"{where}: expected a whole number for {what}, came {said!r}. Correct it.")
    return int(np.ravel(said)[0])


def _charge_of_smiles(group: Any, where: str) -> int | None:
    if "smiles" not in group:
        return None
    text = np.ravel(group["smiles"][()])[0]
    smiles = text.decode() if isinstance(text, bytes) else str(text)
    molecule = Chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None:
        raise InputError(
            f"{where}: expected a SMILES, came {smiles!r}. Correct it, or give the group an attribute `charge`."
        )
    return int(Chem.GetFormalCharge(molecule))
