"""What a run has found and where its engine stands, in one SQLite file.

Results and engine state are written in one transaction, so that the two can never disagree, whenever the process is
killed. Numbers of minima and of quenches count from zero without gaps. All structures are float64, little-endian.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from pesx.errors import InputError, RunFolderError, WrongFolderError
from pesx.landscape import schema
from pesx.landscape.records import Array, Quenches, StoredMinima, Violations
from pesx.molecule import Molecule
from pesx.typing import Tensor

__all__ = ["Quenches", "RunStore", "StoredMinima", "Violations"]


class RunStore:
    """The database of a run folder; made by :meth:`create`, :meth:`resume` or :meth:`read`, and closed after use.

    Attributes:
        folder: The run folder.
        molecule: The molecule of the run.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: sqlite3.Connection | None) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._highest_named = {"minimum": -1, "quench": -1}
        self.molecule = _molecule_from_text(self.meta["molecule"])

    @classmethod
    def create(cls, folder: Path | str, molecule: Molecule, meta: Mapping[str, str] | None = None) -> Self:
        """Start the database of a new run, as its one writer.

        Args:
            folder: Run folder; made where missing.
            molecule: What is explored.
            meta: Further texts to keep, such as hashes of settings and model, and the ``energy_unit``.

        Raises:
            WrongFolderError: The folder holds a run already.
            RunFolderError: It cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"Cannot make the run folder {folder}: {error.strerror}. Choose another.") from error
        content = {**(meta or {}), "molecule": _molecule_to_text(molecule), "molecule_digest": molecule.digest}
        return cls._open(folder, is_writer=True, content=content)

    @classmethod
    def resume(cls, folder: Path | str, molecule: Molecule | None = None) -> Self:
        """Open the database of a run to write on, as its one writer.

        Args:
            folder: Run folder.
            molecule: If given, must be the molecule of the run; geometry and name may differ.

        Raises:
            WrongFolderError: No run there, or one of another molecule.
            RunFolderError: Another writer, a newer version, or a damaged file.
        """
        store = cls._open(Path(folder), is_writer=True)
        if molecule is not None and molecule.digest != store.molecule.digest:
            stored = store.molecule.formula
            store.close()
            raise WrongFolderError(
                f"Expected a run of {molecule.formula} ({molecule.digest[:12]}) in {folder}; came one of {stored} "
                "with other atoms, charge, multiplicity or bonds. Choose another folder, or the molecule of that run."
            )
        return store

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Open the database of a run for reading only; a run may be writing to it meanwhile.

        Raises:
            WrongFolderError: No run there.
            RunFolderError: Another version, or a damaged file.
        """
        return cls._open(Path(folder), is_writer=False)

    @classmethod
    def _open(cls, folder: Path, *, is_writer: bool, content: dict[str, str] | None = None) -> Self:
        path = folder / schema.FILE_NAME
        if content is None and not path.is_file():
            raise WrongFolderError(f"Expected a run folder at {folder}; it has no {schema.FILE_NAME}. Check the path.")
        opened: list[sqlite3.Connection] = []
        try:
            if is_writer:
                opened.append(schema.take_lock(folder))
            opened.append(schema.connect(path, is_writer=is_writer))
            if content is not None:
                if schema.has_tables(opened[-1]):
                    raise WrongFolderError(
                        f"Expected an empty folder for a new run; {folder} holds one already. "
                        "Resume that run, or choose another folder."
                    )
                schema.create_tables(opened[-1], content)
            schema.check_version(opened[-1], path, is_writer=is_writer)
            return cls(folder, opened[-1], opened[0] if is_writer else None)
        except (sqlite3.Error, RunFolderError) as error:
            for connection in reversed(opened):
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise schema.failure(path, error) from error
            raise

    def close(self) -> None:
        """Fold the write-ahead log into the file, and let the next writer in. Does nothing the second time."""
        if self._lock is not None:
            schema.fold(self._connection)
        self._connection.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything inside the ``with`` block at once, in any order, or after any exception nothing of it.

        Raises:
            InputError: Something names a minimum or quench that is not there at the end.
            RunFolderError: The disk is full or failed; what was stored before is intact.
        """
        if self._lock is None:
            raise InputError("This run was opened for reading only. Open it with RunStore.resume to write.")
        with self._failures():
            self._connection.execute("BEGIN IMMEDIATE")
            self._highest_named = {"minimum": -1, "quench": -1}
            try:
                yield
                self._check_named()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything inside the ``with`` block as of one moment, though a run may be writing meanwhile."""
        with self._failures():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def add_minima(self, minima: StoredMinima) -> None:
        """Store new minima under the next numbers."""
        first = self.n_minima
        if len(minima) and tuple(minima.positions.shape[1:]) != (self.molecule.n_atoms, 3):
            raise InputError(f"Expected {self.molecule.n_atoms} atoms; came positions {tuple(minima.positions.shape)}.")
        rows = zip(
            range(first, first + len(minima)),
            minima.energy.tolist(),
            minima.fmax.tolist(),
            minima.lowest_curvature.tolist(),
            minima.log_product.tolist(),
            minima.keys,
            _to_blobs(minima.positions),
            minima.quench.tolist(),
            strict=True,
        )
        self._insert("minima", rows, 8)
        self._name("quench", minima.quench.numpy())

    def add_quenches(self, quenches: Quenches) -> int:
        """Store quenches under the next numbers, and return the first of these."""
        first = self.n_quenches
        rows = zip(
            range(first, first + len(quenches)),
            quenches.walker.tolist(),
            quenches.hop.tolist(),
            quenches.move.tolist(),
            quenches.outcome.tolist(),
            quenches.energy.tolist(),
            quenches.n_evaluations.tolist(),
            _none_if_negative(quenches.minimum),
            _none_if_negative(quenches.started_from),
            quenches.is_accepted.tolist(),
            strict=True,
        )
        self._insert("quenches", rows, 10)
        self._name("minimum", quenches.minimum)
        self._name("minimum", quenches.started_from)
        return first

    def add_violations(self, violations: Violations) -> None:
        """Store structures outside the chemistry of the molecule."""
        columns = violations.quench.tolist(), violations.outcome.tolist(), violations.energy.tolist()
        self._insert("violations", zip(*columns, _to_blobs(violations.positions), strict=True), 4)
        self._name("quench", violations.quench.numpy())

    def save_state(self, state: Mapping[str, bytes]) -> None:
        """Replace the named parts of the engine's state."""
        self._insert("state", state.items(), 2, verb="REPLACE")

    def save_meta(self, meta: Mapping[str, str]) -> None:
        """Replace texts kept about the run."""
        own = {"schema", "molecule", "molecule_digest"} & meta.keys()
        if own:
            raise InputError(f"The entries {sorted(own)} are fixed when a run is created. Use other names.")
        self._insert("meta", meta.items(), 2, verb="REPLACE")

    @property
    def meta(self) -> dict[str, str]:
        """Texts kept about the run."""
        return dict(self._rows("SELECT key, value FROM meta ORDER BY key"))

    @property
    def energy_unit(self) -> str:
        """Unit of all energies: ``eV``, or ``epsilon`` in reduced units."""
        return self.meta.get("energy_unit", "eV")

    @property
    def n_minima(self) -> int:
        """Number of distinct minima."""
        return int(self._rows("SELECT COALESCE(MAX(id) + 1, 0) FROM minima")[0][0])

    @property
    def n_quenches(self) -> int:
        """Number of quenches of any outcome; the number that the next one will get."""
        return int(self._rows("SELECT COALESCE(MAX(id) + 1, 0) FROM quenches")[0][0])

    def state(self) -> dict[str, bytes]:
        """Return the engine's state by name."""
        return dict(self._rows("SELECT name, blob FROM state ORDER BY name"))

    def minima(self) -> StoredMinima:
        """Return all distinct minima, their visits counted from the quenches."""
        rows = self._rows(
            "SELECT energy, fmax, lowest_curvature, log_product, quench, chemistry, positions FROM minima ORDER BY id"
        )
        numbers = _columns(rows, "dddddOO")
        visits = torch.zeros(len(rows), dtype=torch.int64)
        counts = self._rows("SELECT minimum, COUNT(*) FROM quenches WHERE minimum IS NOT NULL GROUP BY minimum")
        if counts:
            index, count = torch.tensor(counts).T
            visits[index] = count
        return StoredMinima(
            positions=_from_blobs(numbers[6], self.molecule.n_atoms),
            energy=torch.from_numpy(numbers[0]),
            fmax=torch.from_numpy(numbers[1]),
            lowest_curvature=torch.from_numpy(numbers[2]),
            log_product=torch.from_numpy(numbers[3]),
            quench=torch.from_numpy(numbers[4].astype(np.int64)),
            visits=visits,
            keys=numbers[5].tolist(),
        )

    def quenches(self) -> Quenches:
        """Return all quenches."""
        rows = self._rows(
            "SELECT walker, hop, move, outcome, energy, n_evaluations, COALESCE(minimum, -1), "
            "COALESCE(started_from, -1), is_accepted FROM quenches ORDER BY id"
        )
        return Quenches(*_columns(rows, "qqOqdqqq?"))

    def violations(self) -> Violations:
        """Return the structures outside the chemistry of the molecule."""
        rows = self._rows("SELECT quench, outcome, energy, positions FROM violations ORDER BY quench")
        numbers = _columns(rows, "qqdO")
        return Violations(
            quench=torch.from_numpy(numbers[0]),
            outcome=torch.from_numpy(numbers[1]),
            energy=torch.from_numpy(numbers[2]),
            positions=_from_blobs(numbers[3], self.molecule.n_atoms),
        )

    def check(self) -> list[str]:
        """Look for damage; each finding is one sentence, none means sound."""
        with self._failures():
            return schema.problems(self._connection, self.molecule.n_atoms)

    def _name(self, what: str, numbers: Array) -> None:
        self._highest_named[what] = max(self._highest_named[what], int(numbers.max(initial=-1)))

    def _check_named(self) -> None:
        for what, n in (("minimum", self.n_minima), ("quench", self.n_quenches)):
            if self._highest_named[what] >= n:
                raise InputError(
                    f"Expected every {what} named in a transaction to be stored by its end; came number "
                    f"{self._highest_named[what]}, but there are only {n}. Store it in the same transaction."
                )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise schema.failure(self.folder / schema.FILE_NAME, error) from error

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._failures(), closing(self._connection.execute(query)) as cursor:
            return cursor.fetchall()

    def _insert(self, table: str, rows: Any, n_columns: int, verb: str = "INSERT") -> None:
        if not self._connection.in_transaction:
            raise InputError(
                "Writing outside a transaction would tear results and state apart. Use store.transaction()."
            )
        places = ", ".join("?" * n_columns)
        with self._failures():
            self._connection.executemany(f"{verb} INTO {table} VALUES ({places})", rows)


def _none_if_negative(column: Array) -> list[int | None]:
    return [value if value >= 0 else None for value in column.tolist()]


def _to_blobs(positions: Tensor) -> list[bytes]:
    array = positions.detach().cpu().numpy().astype("<f8")
    return [structure.tobytes() for structure in array]


def _from_blobs(blobs: Array, n_atoms: int) -> Tensor:
    values = np.frombuffer(b"".join(blobs.tolist()), dtype="<f8")
    return torch.from_numpy(values.reshape(len(blobs), n_atoms, 3).astype(np.float64))


def _columns(rows: list[tuple[Any, ...]], kinds: str) -> list[Array]:
    """Return the columns as arrays of these dtypes; a missing number becomes NaN."""
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return [np.array(column, dtype=np.dtype(kind)) for column, kind in zip(columns, kinds, strict=True)]


def _molecule_to_text(molecule: Molecule) -> str:
    return json.dumps(
        {
            "numbers": molecule.numbers.tolist(),
            "positions": molecule.positions.tolist(),
            "charge": molecule.charge,
            "multiplicity": molecule.multiplicity,
            "bonds": molecule.bonds.tolist(),
            "name": molecule.name,
        }
    )


def _molecule_from_text(text: str) -> Molecule:
    content = json.loads(text)
    return Molecule(
        numbers=torch.tensor(content["numbers"], dtype=torch.int64),
        positions=torch.tensor(content["positions"], dtype=torch.float64),
        charge=content["charge"],
        multiplicity=content["multiplicity"],
        bonds=torch.tensor(content["bonds"], dtype=torch.int64).reshape(-1, 2),
        name=content["name"],
    )
