"""The file of labelled structures: one SQLite database, written by one process, readable at any time by others.

Arrays are little-endian float64 blobs. A task that is done and the frames it brought are written in one transaction, so
an interrupted run can always be continued and never holds a frame twice.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pesx.errors import InputError

FORMAT = 2
"""Newest version of the tables below; from 2 on, labels may lack forces."""

_WITH_FORCES = 1
"""Version of files whose labels all have forces."""

LABELLED = "ok"
"""Outcome of a frame that has the label asked for; any other outcome is the reason why it has none to offer."""

_MOST_DEATHS = 2
"""A task that killed its worker this often would kill the next one too."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE molecules (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, numbers BLOB NOT NULL,
    charge INTEGER NOT NULL, multiplicity INTEGER NOT NULL, smiles TEXT NOT NULL);
CREATE TABLE tasks (key TEXT PRIMARY KEY, outcome TEXT NOT NULL, seconds REAL NOT NULL);
CREATE TABLE frames (id INTEGER PRIMARY KEY, molecule INTEGER NOT NULL REFERENCES molecules(id),
    task TEXT NOT NULL REFERENCES tasks(key), source TEXT NOT NULL, temperature REAL, trajectory TEXT NOT NULL,
    positions BLOB NOT NULL, energy REAL, forces BLOB, outcome TEXT NOT NULL);
CREATE INDEX frames_by_molecule ON frames (molecule, id);
"""

_DEATHS = "CREATE TABLE IF NOT EXISTS deaths (task TEXT PRIMARY KEY, count INTEGER NOT NULL)"
"""Workers lost over tasks that are not done; files of the first versions lack it."""


class MoleculeRow(NamedTuple):
    """One molecule of a store: its atomic numbers in the order of every frame, total charge (e) and 2S+1."""

    id: int
    name: str
    numbers: npt.NDArray[np.int64]
    charge: int
    multiplicity: int


@dataclass(frozen=True)
class Frame:
    """One structure and what the engine said about it.

    Attributes:
        positions: Angstrom, (N, 3).
        source: How the structure was made.
        trajectory: Frames with the same text are correlated: hold them out together.
        temperature: K, NaN where it has no meaning.
        energy: eV, NaN if refused.
        forces: eV/angstrom, (N, 3), None if refused or not asked for.
        outcome: ``"ok"``, or why there is no label to train on.
    """

    positions: npt.NDArray[np.float64]
    source: str
    trajectory: str
    temperature: float = float("nan")
    energy: float = float("nan")
    forces: npt.NDArray[np.float64] | None = None
    outcome: str = LABELLED


def _array(blob: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(blob, dtype="<f8").reshape(-1, 3).astype(np.float64)


def _blob(array: npt.NDArray[np.float64]) -> bytes:
    return np.ascontiguousarray(array, dtype="<f8").tobytes()


def _has_tables(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether this is a file of labels; False if it is empty as yet.

    Raises:
        InputError: It is something else.
    """
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise InputError(f"Expected a file made by `pesx label`, but {path} is not one: {error}.") from error
    missing = {"meta", "molecules", "tasks", "frames"} - tables
    if tables and missing:
        raise InputError(
            f"Expected a file made by `pesx label`, but {path} is not one: it is a database without the tables "
            f"{', '.join(sorted(missing))}."
        )
    return bool(tables)


class LabelStore:
    """Read labelled structures, also while they are still being produced.

    Args:
        path: File made by ``pesx label``.

    Raises:
        InputError: There is no such file, or it is not a store of labels.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise InputError(f"Expected a file of labels, but {self._path} does not exist. Make one with: pesx label")
        self._connection = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=60.0)
        try:
            if not _has_tables(self._connection, self._path):
                raise InputError(f"Expected a file of labels, but {self._path} is empty. Fill it with: pesx label")
            self.meta: dict[str, str] = dict(self._connection.execute("SELECT key, value FROM meta"))
            if int(self.meta["format"]) > FORMAT:
                raise InputError(
                    f"{self._path} has format {self.meta['format']}, newer than this pesx reads. Update pesx."
                )
        except BaseException:
            self._connection.close()
            raise

    @property
    def level(self) -> str:
        """Level of theory of every label, such as ``GFN2-xTB``."""
        return str(self.meta["level"])

    def molecules(self) -> list[MoleculeRow]:
        """Return the molecules, in the order in which they were added."""
        query = "SELECT id, name, numbers, charge, multiplicity FROM molecules ORDER BY id"
        return [
            MoleculeRow(id, name, np.frombuffer(numbers, dtype="<i8").astype(np.int64), charge, multiplicity)
            for id, name, numbers, charge, multiplicity in self._connection.execute(query)
        ]

    def frames(self, molecule_id: int) -> dict[str, npt.NDArray[Any]]:
        """Return all labelled frames of a molecule, oldest first.

        Returns:
            Arrays ``positions`` (K, N, 3) in angstrom, ``energy`` (K,) in eV, ``forces`` (K, N, 3) in eV/angstrom and masked
            where only the energy was asked for, ``source`` (K,) and ``trajectory`` (K,) of str, ``temperature`` (K,) in K.
        """
        query = (
            "SELECT positions, energy, forces, source, COALESCE(temperature, 'nan'), trajectory FROM frames"
            " WHERE molecule = ? AND outcome = ? ORDER BY id"
        )
        rows = self._connection.execute(query, (molecule_id, LABELLED)).fetchall()
        size = [row.numbers.size for row in self.molecules() if row.id == molecule_id]
        if not size:
            raise InputError(f"Expected the number of a molecule in {self._path}, came {molecule_id}.")
        shape = (len(rows), size[0], 3)
        no_forces, lacks = np.full(shape[1:], np.nan), np.array([row[2] is None for row in rows], dtype=bool)
        self._require_sizes(rows, 24 * size[0])
        forces = np.array([no_forces if row[2] is None else _array(row[2]) for row in rows], dtype=np.float64)
        return {
            "positions": np.array([_array(row[0]) for row in rows], dtype=np.float64).reshape(shape),
            "energy": np.array([row[1] for row in rows], dtype=np.float64),
            "forces": np.ma.masked_array(forces.reshape(shape), mask=np.broadcast_to(lacks[:, None, None], shape))
            if lacks.any()
            else forces.reshape(shape),
            "source": np.array([row[3] for row in rows], dtype=np.str_),
            "temperature": np.array([float(row[4]) for row in rows], dtype=np.float64),
            "trajectory": np.array([row[5] for row in rows], dtype=np.str_),
        }

    def _require_sizes(self, rows: list[tuple[Any, ...]], size: int) -> None:
        """Refuse frames whose positions or forces are of another number of atoms than the molecule."""
        for number, (positions, _, forces, *_) in enumerate(rows):
            if len(positions) != size or (forces is not None and len(forces) != size):
                raise InputError(
                    f"Expected positions and forces of {size // 24} atoms in every frame of {self._path}, came another size in "
                    f"frame {number} of a molecule: it is damaged, or was not made by `pesx label`. Label the structures again."
                )

    def counts(self) -> list[tuple[str, str, str, int]]:
        """Return how many frames there are by (molecule name, source, outcome)."""
        query = (
            "SELECT m.name, f.source, f.outcome, COUNT(*) FROM frames f JOIN molecules m ON m.id = f.molecule"
            " GROUP BY m.id, f.source, f.outcome ORDER BY m.id, f.source, f.outcome"
        )
        return list(self._connection.execute(query))

    def failed_tasks(self) -> list[tuple[str, str]]:
        """Return the tasks that brought nothing, with the reason."""
        return list(self._connection.execute("SELECT key, outcome FROM tasks WHERE outcome != ?", (LABELLED,)))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class LabelWriter:
    """Write labelled structures; makes the file, or continues one with the same settings.

    Args:
        path: File to make or to continue.
        meta: Facts that must be equal when a file is continued: level of theory, engine, plan.
        notes: Facts that may differ between runs, such as versions.
        energies_only: Whether labels have no forces.

    Raises:
        InputError: The file exists and was made with other settings, or by something else.
    """

    def __init__(
        self, path: str | Path, meta: Mapping[str, str], *, notes: Mapping[str, str], energies_only: bool = False
    ) -> None:
        self._path = Path(path)
        if self._path.is_dir():
            raise InputError(f"Expected a file for the labels, came the folder {self._path}. Name a file in it.")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path, timeout=60.0, isolation_level=None)
        try:
            version = str(FORMAT if energies_only else _WITH_FORCES)
            self._open({"format": version, "energy_unit": "eV", "length_unit": "angstrom", **meta}, notes)
        except BaseException:
            self._connection.close()
            raise

    def _open(self, meta: dict[str, str], notes: Mapping[str, str]) -> None:
        self._is_new = not _has_tables(self._connection, self._path)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            if self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0:
                for statement in _TABLES.split(";"):
                    self._connection.execute(statement)
                self._connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            self._connection.execute(_DEATHS)
            stored = dict(self._connection.execute("SELECT key, value FROM meta"))
            for key, value in meta.items():
                if stored.get(key) != value:
                    raise InputError(
                        f"Expected {self._path} to have been made with the same {key}, to continue it."
                        f" It has {stored.get(key)!r}, asked for was {value!r}. Choose another file."
                    )
            runs = json.loads(stored.get("runs", "[]"))
            runs.append(dict(notes))
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('runs', ?)", (json.dumps(runs),))

    def add_molecule(
        self, name: str, numbers: npt.NDArray[np.int64], *, charge: int, multiplicity: int, smiles: str
    ) -> int:
        """Return the number of a molecule, which is added if the file does not have it."""
        found = self._connection.execute("SELECT id, numbers FROM molecules WHERE name = ?", (name,)).fetchone()
        blob = np.ascontiguousarray(numbers, dtype="<i8").tobytes()
        if found is not None:
            if found[1] != blob:
                raise InputError(f"{self._path} holds another molecule called {name!r}. Give this one another name.")
            return int(found[0])
        row = (name, blob, charge, multiplicity, smiles)
        insert = "INSERT INTO molecules (name, numbers, charge, multiplicity, smiles) VALUES (?, ?, ?, ?, ?)"
        with closing(self._connection.execute(insert, row)) as cursor:
            return int(cursor.lastrowid or 0)

    def done(self) -> set[str]:
        """Return the keys of the tasks that need not be done again."""
        return {key for (key,) in self._connection.execute("SELECT key FROM tasks")}

    def add_death(self, key: str) -> bool:
        """Record that a task killed its worker; return whether it shall be tried another time."""
        self._connection.execute(
            "INSERT INTO deaths VALUES (?, 1) ON CONFLICT (task) DO UPDATE SET count = count + 1", (key,)
        )
        ((count,),) = self._connection.execute("SELECT count FROM deaths WHERE task = ?", (key,))
        return bool(count < _MOST_DEATHS)

    def add_task(self, key: str, molecule_id: int, frames: Iterable[Frame], *, outcome: str, seconds: float) -> None:
        """Record in one transaction that a task is done and what it brought.

        Args:
            key: Name of the task.
            molecule_id: From :meth:`add_molecule`.
            frames: Labelled and refused structures.
            outcome: ``"ok"``, or why the task brought nothing.
            seconds: How long it took.
        """
        rows = [
            (
                molecule_id,
                key,
                frame.source,
                None if np.isnan(frame.temperature) else float(frame.temperature),
                frame.trajectory,
                _blob(frame.positions),
                None if np.isnan(frame.energy) else float(frame.energy),
                None if frame.forces is None else _blob(frame.forces),
                frame.outcome,
            )
            for frame in frames
        ]
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            self._connection.execute("INSERT INTO tasks VALUES (?, ?, ?)", (key, outcome, seconds))
            self._connection.executemany(
                "INSERT INTO frames (molecule, task, source, temperature, trajectory, positions, energy, forces,"
                " outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def discard(self) -> None:
        """Close the file, and remove it if this writer made it and no task is done."""
        is_unused = self._is_new and not self.done()
        self.close()
        if is_unused:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


__all__ = ["LABELLED", "Frame", "LabelStore", "LabelWriter", "MoleculeRow"]
