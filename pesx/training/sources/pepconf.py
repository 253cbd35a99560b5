"""Relative energies of peptide conformers in the form of PEPCONF, doi:10.1038/sdata.2018.310.

A conformer is an xyz file ``NAME_K.xyz`` with charge and multiplicity in its second line. Tables, ``*.csv``, give the energies
of ``NAME_1``, ``NAME_2``, ... above ``NAME_0``.
"""

import csv
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from pesx.errors import InputError
from pesx.training.sources.columns import Columns, stacked
from pesx.training.sources.format import Format
from pesx.training.sources.settings import FileSettings
from pesx.training.sources.units import require_same_unit

_ELEMENTS = frozenset(atomic_numbers)

_Conformer = tuple[tuple[str, ...], int, int, list[list[float]]]


def read_pepconf(settings: FileSettings) -> list[Columns]:
    """Return the conformers of a folder, one molecule for each name.

    Structures are in the folder, at any depth, or in its ``*.tar.gz``; where such an archive is named, the tables are those
    of the folder it lies in.

    Raises:
        InputError: A file is not of this form, a table is in another unit, or a conformer has an energy and no structure.
    """
    path = Path(settings.path)
    energies = _energies(path if path.is_dir() else path.parent, settings)
    molecules: dict[str, dict[int, _Conformer]] = {}
    for file, text in _structures(path):
        name, _, number = Path(file).stem.rpartition("_")
        if not name or not number.isdigit():
            raise InputError(
                f"{file}: expected a name like ALA_GLY_3.xyz, with the number of the conformer. Rename it."
            )
        if int(number) in molecules.setdefault(name, {}):
            raise InputError(f"{file}: expected one structure of this name, came a second. Remove or rename it.")
        molecules[name][int(number)] = _conformer(file, text)
    lost = [key for key in energies if key[1] not in molecules.get(key[0], {})]
    if lost:
        raise InputError(f"{path}: expected a structure {lost[0][0]}_{lost[0][1]}.xyz, since a table has its energy.")
    return [_columns(name, molecules[name], energies, path) for name in sorted(molecules)]


FORMAT = Format("pepconf", read_pepconf, energy_unit="kcal/mol", length_unit="angstrom", relative=True)


def _energies(folder: Path, settings: FileSettings) -> dict[tuple[str, int], float]:
    energies = {}
    for table in sorted(folder.rglob("*.csv")):
        with table.open(newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
        unit = re.search(r"\(([^)]*)\)", rows[0][-1]) if rows else None
        if unit is not None:
            require_same_unit(unit.group(1), settings.energy_unit, where=str(table))
        for line, row in enumerate(rows[1:], start=2):
            try:
                _, label, energy = row
                name, _, number = label.rpartition("_")
                energies[name, int(number)] = float(energy)
            except ValueError as error:
                raise InputError(
                    f"{table}, line {line}: expected number, name and energy of a conformer, came {row}. Correct it."
                ) from error
    if not energies:
        raise InputError(f"Expected tables of energies (*.csv) in {folder}, found none. Put them there.")
    return energies


def _structures(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_dir():
        for file in sorted(path.rglob("*.xyz")):
            yield str(file), file.read_text()
    for archive in sorted(path.glob("*.tar.gz")) if path.is_dir() else [path]:
        try:
            with tarfile.open(archive) as members:
                for member in members:
                    content = members.extractfile(member) if member.name.endswith(".xyz") else None
                    if content is not None:
                        yield member.name, content.read().decode()
        except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
            raise InputError(f"Expected a folder or a tar archive of xyz files at {archive}, came: {error}.") from error


def _conformer(file: str, text: str) -> _Conformer:
    lines = text.splitlines()
    try:
        n_atoms = int(lines[0])
        charge, multiplicity = (int(word) for word in lines[1].split())
        rows = [line.split() for line in lines[2 : 2 + n_atoms]]
        symbols = tuple(row[0] for row in rows)
        positions = [[float(word) for word in row[1:4]] for row in rows]
        if len(rows) != n_atoms or any(len(row) != 3 for row in positions) or not _ELEMENTS.issuperset(symbols):
            raise ValueError("an atom is missing, has no three coordinates, or is of an unknown element")
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{file}: expected the number of atoms, charge and multiplicity, and element and position of each atom, came "
            f"something else: {error}."
        ) from error
    return symbols, charge, multiplicity, positions


def _columns(
    name: str, conformers: dict[int, _Conformer], energies: dict[tuple[str, int], float], path: Path
) -> Columns:
    order = sorted(conformers)
    symbols, charge, multiplicity, _ = conformers[order[0]]
    for number in order:
        if conformers[number][:3] != (symbols, charge, multiplicity):
            raise InputError(
                f"{path}: expected the same atoms in the same order, charge and multiplicity in all conformers of {name}, "
                f"came others in {name}_{number}. Correct or remove it."
            )
    labels = [0.0 if number == 0 else energies.get((name, number)) for number in order]
    return Columns(
        numbers=np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64),
        positions=np.array([conformers[number][3] for number in order]),
        energy=stacked(labels, (), where=f"{path}, molecule {name!r}, energy"),
        frame=np.array(order),
        name=name,
        charge=charge,
        multiplicity=multiplicity,
    )
