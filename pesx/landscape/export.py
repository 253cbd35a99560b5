"""The minima of a run, and what joins them, in the formats of other programs.

Energies are in eV and lengths in angstrom unless the name of a column says otherwise. Those of a run in reduced units are
plain numbers, and no column names a unit.
"""

import csv
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from rdkit import Chem

from pesx.chemistry.conformer import conformer_of
from pesx.chemistry.perceive import to_rdkit
from pesx.errors import InputError, RunFolderError
from pesx.landscape.graphml import write_graphml
from pesx.landscape.network import Network
from pesx.landscape.pathsample import write_pathsample
from pesx.landscape.records import StoredMinima, StoredTransitionStates
from pesx.landscape.store import RunStore
from pesx.landscape.symmetry import with_point_groups
from pesx.molecule import Molecule
from pesx.units import KCAL_PER_MOL


@dataclass(frozen=True)
class _Results:
    """What is to be written."""

    minima: StoredMinima
    transition_states: StoredTransitionStates
    molecule: Molecule
    energy_unit: str
    mirror: str

    @classmethod
    def of(cls, store: RunStore, mirror: str = "distinct") -> "_Results":
        return cls(store.minima(), store.transition_states(), store.molecule, store.energy_unit, mirror)

    @property
    def network(self) -> Network:
        """The minima with what joins them, and the orders of their point groups."""
        masses = self.molecule.masses
        network = Network.from_records(self.minima, self.transition_states, masses=masses, unit=self.energy_unit)
        structures = self.minima.positions, self.transition_states.positions
        return with_point_groups(network, structures, self.molecule.numbers, mirror=self.mirror)

    @property
    def is_reduced(self) -> bool:
        return self.energy_unit != "eV"

    @property
    def rows(self) -> list[int]:
        """Numbers of the minima, lowest first."""
        order: list[int] = torch.argsort(self.minima.energy, stable=True).tolist()
        return order

    @property
    def relative_name(self) -> str:
        return "relative_energy" if self.is_reduced else "relative_kcal_per_mol"

    @property
    def relative(self) -> list[float]:
        """Heights above the lowest minimum in the unit that :attr:`relative_name` says."""
        lowest = self.minima.energy.min() if len(self.minima) else 0.0
        unit = 1.0 if self.is_reduced else KCAL_PER_MOL
        heights: list[float] = ((self.minima.energy - lowest) / unit).tolist()
        return heights

    def named(self, name: str, unit: str) -> str:
        """Return the name of a column of numbers with this unit."""
        return name if self.is_reduced else f"{name}_{unit}"


def export(source: Path | str | RunStore, format: str, out: Path | str, *, mirror: str = "distinct") -> int:
    """Write the minima of a run for other programs, lowest first, and return how many minima there are.

    Args:
        source: Run folder, or its open database.
        format: A key of :data:`FORMATS`: ``extxyz``, ``sdf`` (with bonds), ``ase-db``, ``csv`` (no coordinates), or
            ``pathsample`` (a folder with min.data, ts.data and their structures, in the order of numbers, and their units), or
            ``graphml`` (minima and transition states as a graph, no coordinates).
        out: File to write, or folder for ``pathsample``; replaced if there, and only once all is written.
        mirror: ``distinct`` or ``merge``, as in the run: which operations count in the orders of point groups.

    Raises:
        InputError: Unknown format, or one that does not suit the molecule.
        RunFolderError: No run there, or the disk did not take the file.
    """
    if format not in FORMATS:
        raise InputError(f"Expected one of the formats {', '.join(FORMATS)}; came {format!r}. Choose one of these.")
    if not isinstance(source, RunStore):
        with RunStore.read(source) as store:
            return export(store, format, out, mirror=mirror)
    with source.snapshot():
        results = _Results.of(source, mirror)
    with _replacing(Path(out)) as path:
        FORMATS[format](results, path)
    return len(results.minima)


def update_extxyz(store: RunStore, out: Path | str) -> bool:
    """Bring an extended XYZ file of all minima up to date, and return whether it had to be written.

    The first frame tells how many minima and quenches the file knows of, so an unchanged run costs one short read.
    """
    with store.snapshot():
        stamp = _stamp(store.n_minima, store.n_quenches)
        if _first_comment(Path(out)).endswith(stamp):
            return False
        results = _Results.of(store)
    with _replacing(Path(out)) as path:
        _write_frames(results, path, stamp)
    return True


def _write_extxyz(results: _Results, path: Path) -> None:
    _write_frames(results, path, "")


def _write_frames(results: _Results, path: Path, stamp: str) -> None:
    minima, molecule, relative = results.minima, results.molecule, results.relative
    symbols = [f"{symbol:<2}" for symbol in molecule.symbols]
    unit = f" energy_unit={results.energy_unit}" if results.is_reduced else ""
    with path.open("w", encoding="utf-8") as file:
        for row in results.rows:
            comment = (
                f'Properties=species:S:1:pos:R:3 pbc="F F F" energy={minima.energy[row].item():.10f}{unit} '
                f"{results.relative_name}={relative[row]:.6f} minimum={row} visits={minima.visits[row].item()} "
                f"charge={molecule.charge} spin={molecule.multiplicity} chemistry={_quoted(minima.keys[row])}"
            )
            atoms = zip(symbols, minima.positions[row].tolist(), strict=True)
            lines = [f"{symbol} {x:16.10f} {y:16.10f} {z:16.10f}\n" for symbol, (x, y, z) in atoms]
            file.write(f"{molecule.n_atoms}\n{comment}{stamp}\n{''.join(lines)}")
            stamp = ""


def _write_csv(results: _Results, path: Path) -> None:
    minima, relative = results.minima, results.relative
    columns = (
        "minimum",
        results.named("energy", "ev"),
        results.relative_name,
        "visits",
        results.named("fmax", "ev_per_angstrom"),
        results.named("lowest_curvature", "ev_per_angstrom2"),
        "log_product",
        "first_quench",
        "chemistry",
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in results.rows:
            numbers = (minima.fmax, minima.lowest_curvature, minima.log_product)
            energies = f"{minima.energy[row].item():.10f}", f"{relative[row]:.6f}"
            known = ("" if torch.isnan(column[row]) else f"{column[row].item():.6g}" for column in numbers)
            writer.writerow(
                (row, *energies, int(minima.visits[row]), *known, int(minima.quench[row]), minima.keys[row])
            )


def _write_sdf(results: _Results, path: Path) -> None:
    minima, molecule, relative = results.minima, results.molecule, results.relative
    if not len(molecule.bonds):
        raise InputError(f"The format sdf needs bonds; {molecule.formula} has none. Use extxyz instead.")
    bonded, has_orders = to_rdkit(molecule)
    with Chem.SDWriter(str(path)) as writer:
        for row in results.rows:
            frame = Chem.Mol(bonded)
            frame.RemoveAllConformers()
            frame.AddConformer(conformer_of(minima.positions[row]), assignId=True)
            frame.SetProp("_Name", molecule.name or molecule.formula)
            frame.SetIntProp("minimum", row)
            frame.SetProp(results.named("energy", "ev"), f"{minima.energy[row].item():.10f}")
            frame.SetProp(results.relative_name, f"{relative[row]:.6f}")
            frame.SetIntProp("visits", int(minima.visits[row]))
            frame.SetProp("chemistry", minima.keys[row])
            frame.SetProp("bond_orders", "assigned" if has_orders else "unknown, all written as single")
            writer.write(frame)


def _write_ase_db(results: _Results, path: Path) -> None:
    minima, relative = results.minima, results.relative
    with connect(path, type="db", append=False) as database:
        for row in results.rows:
            atoms = Atoms(numbers=results.molecule.numbers.numpy(), positions=minima.positions[row].numpy())
            atoms.calc = SinglePointCalculator(atoms, energy=minima.energy[row].item())
            database.write(
                atoms,
                minimum=row,
                visits=minima.visits[row].item(),
                data={"chemistry": minima.keys[row]},
                **{results.relative_name: relative[row]},
            )


def _write_pathsample(results: _Results, path: Path) -> None:
    network, length = results.network, "sigma" if results.is_reduced else "angstrom"
    positions = (results.minima.positions.numpy(), results.transition_states.positions.numpy())
    points = positions[0][network.minima.number], positions[1][network.transition_states.number]
    counted = "all operations" if results.mirror == "merge" else "rotations alone, because mirror images are two minima"
    write_pathsample(network, path, points=points, lengths=(length, f"u {length}^2"), operations=counted)


def _write_graphml(results: _Results, path: Path) -> None:
    write_graphml(results.network, path)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _stamp(n_minima: int, n_quenches: int) -> str:
    return f" known_minima={n_minima} known_quenches={n_quenches}"


def _first_comment(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            file.readline()
            return file.readline().rstrip("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """Give a path beside ``out`` to write to, and put it in place when all is written; a reader never sees half."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
            path = Path(scratch) / out.name
            yield path
            if path.is_dir() and out.is_dir():
                for file in path.iterdir():
                    os.replace(file, out / file.name)
            else:
                os.replace(path, out)
    except (OSError, sqlite3.Error) as error:
        raise RunFolderError(f"Cannot write {out}: {error}. Free some space, or choose another place.") from error


FORMATS: dict[str, Callable[[_Results, Path], None]] = {
    "extxyz": _write_extxyz,
    "sdf": _write_sdf,
    "ase-db": _write_ase_db,
    "csv": _write_csv,
    "pathsample": _write_pathsample,
    "graphml": _write_graphml,
}
"""What :func:`export` can write, by name."""
