"""The one SQLite file of a run: who may write to it, and what is written at once.

Results and engine state are written in one transaction, so that the two can never disagree, whenever the process is killed.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from pesx.errors import InputError, RunFolderError, WrongFolderError
from pesx.landscape import schema
from pesx.landscape.records import Array
from pesx.landscape.rows import molecule_from_text, molecule_to_text
from pesx.molecule import Molecule
from pesx.typing import Tensor


class Database:
    """The database of a run folder, apart from what its tables hold; see :class:`pesx.landscape.store.RunStore`.

    Attributes:
        folder: The run folder.
        molecule: The molecule of the run.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: sqlite3.Connection | None) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._highest_named = dict.fromkeys(schema.NUMBERED, -1)
        self.molecule = molecule_from_text(self.meta["molecule"])

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
        content = {**(meta or {}), "molecule": molecule_to_text(molecule), "molecule_digest": molecule.digest}
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
            self._highest_named = dict.fromkeys(schema.NUMBERED, -1)
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

    def state(self) -> dict[str, bytes]:
        """Return the engine's state by name."""
        return dict(self._rows("SELECT name, blob FROM state ORDER BY name"))

    def check(self) -> list[str]:
        """Look for damage; each finding is one sentence, none means sound."""
        with self._failures():
            return schema.problems(self._connection, self.molecule.n_atoms)

    def _count(self, table: str) -> int:
        return int(self._rows(f"SELECT COALESCE(MAX(id) + 1, 0) FROM {table}")[0][0])

    def _name(self, what: str, numbers: Array | Tensor) -> None:
        self._highest_named[what] = max(self._highest_named[what], int(np.asarray(numbers).max(initial=-1)))

    def _check_named(self) -> None:
        for what, table in schema.NUMBERED.items():
            highest = self._highest_named[what]
            if highest >= 0 and highest >= (n := self._count(table)):
                raise InputError(
                    f"Expected every {what} named in a transaction to be stored by its end; came number "
                    f"{highest}, but there are only {n}. Store it in the same transaction."
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

    def _append(self, table: str, *columns: Array | Tensor | Sequence[Any]) -> int:
        """Add rows under the next numbers, and return the first of these."""
        first = self._count(table)
        values = [column if isinstance(column, list) else np.asarray(column).tolist() for column in columns]
        numbers = range(first, first + len(values[0]))
        self._insert(table, zip(numbers, *values, strict=True), len(values) + 1)
        return first

    def _has_table(self, name: str) -> bool:
        with self._failures():
            return schema.has_table(self._connection, name)

    def _change(self, command: str, rows: Any) -> None:
        """Run one command for each row, inside a transaction."""
        with self._failures():
            self._connection.executemany(command, rows)

    def _insert(self, table: str, rows: Any, n_columns: int, verb: str = "INSERT") -> None:
        if not self._connection.in_transaction:
            raise InputError(
                "Writing outside a transaction would tear results and state apart. Use store.transaction()."
            )
        places = ", ".join("?" * n_columns)
        with self._failures():
            self._connection.executemany(f"{verb} INTO {table} VALUES ({places})", rows)
