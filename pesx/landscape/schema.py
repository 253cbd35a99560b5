"""The SQLite file of a run: its tables, its versions, and how it is opened.

The file is in WAL mode, so that others read while the run writes. ``synchronous=NORMAL`` is enough: a killed process
loses nothing that was committed, and a power cut loses at most the last transactions, results and engine state
together, which a resumed run simply repeats.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path

from pesx.errors import RunFolderError

FILE_NAME = "landscape.db"
LOCK_NAME = "landscape.lock"
SCHEMA_VERSION = 3
READABLE_FROM = 2
"""Older files than this have to be brought up to date before they are read; what was added since is empty there."""

NUMBERED = {
    "minimum": "minima",
    "quench": "quenches",
    "connection": "connections",
    "search": "searches",
    "transition state": "transition_states",
}
"""Tables whose rows are numbered from zero without gaps, by what a row is."""

_APPLICATION_ID = 0x70657378  # "pesx", so that tools such as file(1) can tell

# Minima and quenches point to each other. SQLite's own enforcement would search one table for every row added to the other;
# the store compares with the highest numbers instead, and the integrity check looks at every row.
_AFTER_A_SEARCH = """
CREATE TABLE connections (
    id INTEGER PRIMARY KEY,
    first INTEGER NOT NULL REFERENCES minima (id),
    second INTEGER NOT NULL REFERENCES minima (id),
    reason TEXT NOT NULL,
    outcome INTEGER NOT NULL,
    n_maxima INTEGER NOT NULL,
    n_evaluations INTEGER NOT NULL
);
CREATE TABLE searches (
    id INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connections (id),
    outcome INTEGER NOT NULL,
    energy REAL,
    n_evaluations INTEGER NOT NULL,
    transition_state INTEGER REFERENCES transition_states (id)
);
CREATE TABLE transition_states (
    id INTEGER PRIMARY KEY,
    energy REAL NOT NULL,
    fmax REAL,
    curvature REAL NOT NULL,
    log_product REAL,
    chemistry TEXT NOT NULL,
    positions BLOB NOT NULL,
    first INTEGER NOT NULL REFERENCES minima (id),
    second INTEGER NOT NULL REFERENCES minima (id),
    search INTEGER NOT NULL REFERENCES searches (id)
);
CREATE TABLE verifications (
    minimum INTEGER NOT NULL REFERENCES minima (id),
    level TEXT NOT NULL,
    outcome INTEGER NOT NULL,
    unrelaxed_energy REAL,
    energy REAL,
    rmsd REAL,
    heavy_rmsd REAL,
    n_evaluations INTEGER NOT NULL,
    positions BLOB NOT NULL,
    PRIMARY KEY (minimum, level)
) WITHOUT ROWID;
"""

_VIBRATIONS = """
CREATE TABLE vibrations (
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    eigenvalues BLOB NOT NULL,
    PRIMARY KEY (kind, number)
) WITHOUT ROWID;
"""

_TABLES = f"""
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE minima (
    id INTEGER PRIMARY KEY,
    energy REAL NOT NULL,
    fmax REAL,
    lowest_curvature REAL,
    log_product REAL,
    chemistry TEXT NOT NULL,
    positions BLOB NOT NULL,
    quench INTEGER NOT NULL REFERENCES quenches (id)
);
CREATE TABLE quenches (
    id INTEGER PRIMARY KEY,
    walker INTEGER NOT NULL,
    hop INTEGER NOT NULL,
    move TEXT NOT NULL,
    outcome INTEGER NOT NULL,
    energy REAL,
    n_evaluations INTEGER NOT NULL,
    minimum INTEGER REFERENCES minima (id),
    started_from INTEGER REFERENCES minima (id),
    is_accepted INTEGER NOT NULL
);
CREATE TABLE violations (
    quench INTEGER PRIMARY KEY REFERENCES quenches (id),
    outcome INTEGER NOT NULL,
    energy REAL,
    positions BLOB NOT NULL
);
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    blob BLOB NOT NULL
);
{_AFTER_A_SEARCH}
{_VIBRATIONS}
"""

_UPGRADES: dict[int, str] = {1: _AFTER_A_SEARCH, 2: _VIBRATIONS}
"""SQL that turns a file of one version into the next. Version 2 adds transition states and verifications, version 3
vibrations."""


def failure(path: Path, error: sqlite3.Error) -> RunFolderError:
    """Say in one sentence what SQLite could not do, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        advice = "the disk is full. Everything stored before is intact: free some space and resume the run"
    elif code == sqlite3.SQLITE_IOERR:
        advice = (
            "the disk did not take or give the data (full, over quota, or gone). Everything stored before is intact: "
            "check the disk and resume the run"
        )
    elif code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        advice = "it is not a sound SQLite database. Restore it from a copy, or start a new run in another folder"
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        advice = "the file or its folder cannot be written. Check the permissions"
    elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        advice = "another process holds it. Wait until that one is done"
    else:
        advice = "the database refused. Everything stored before is intact"
    return RunFolderError(f"Cannot use {path}: {advice}. (SQLite: {error})")


def take_lock(folder: Path) -> sqlite3.Connection:
    """Become the one writer of a run folder, until the connection is closed or the process ends, however it ends.

    Raises:
        RunFolderError: Another process is the writer.
    """
    path = folder / LOCK_NAME
    lock = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise RunFolderError(
                f"Expected to be the only writer of {folder}; another process is writing to it. "
                "Wait for it, or stop it, or choose another folder."
            ) from error
        raise failure(path, error) from error
    return lock


def connect(path: Path, *, is_writer: bool) -> sqlite3.Connection:
    """Open the database of a run; SQLite's own errors pass through."""
    uri = f"{path.absolute().as_uri()}?mode={'rwc' if is_writer else 'ro'}"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    try:
        if is_writer:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def fold(connection: sqlite3.Connection) -> None:
    """Bring the write-ahead log into the file, so that a finished run is one file that opens anywhere."""
    connection.execute("PRAGMA busy_timeout = 0")
    with suppress(sqlite3.OperationalError):  # someone is reading: then it stays as it is, which is just as sound
        connection.execute("PRAGMA journal_mode = DELETE")


def create_tables(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    """Make an empty run, in one transaction."""
    connection.executescript(f"BEGIN; PRAGMA application_id = {_APPLICATION_ID}; {_TABLES}")
    rows = {**meta, "schema": str(SCHEMA_VERSION)}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", rows.items())
    connection.execute("COMMIT")


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever created in the file."""
    return bool(connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])


def check_version(connection: sqlite3.Connection, path: Path, *, is_writer: bool) -> None:
    """Make sure that the file is a run of this version; a writer brings an older one up to date.

    Raises:
        RunFolderError: The file is something else, or of another version.
    """
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise RunFolderError(f"Expected the database of a run at {path}; came another database. Check the folder.")
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    version = int(row[0])
    if version > SCHEMA_VERSION:
        raise RunFolderError(
            f"Expected a run of schema {SCHEMA_VERSION} or older at {path}; came schema {version}, "
            "written by a newer pesx. Update pesx."
        )
    if version < READABLE_FROM and not is_writer:
        raise RunFolderError(
            f"Expected a run of schema {READABLE_FROM} or newer at {path}; came the older schema {version}. "
            "Resume the run once with this pesx, which brings it up to date."
        )
    for step in range(version, SCHEMA_VERSION) if is_writer else ():
        connection.executescript(
            f"BEGIN; {_UPGRADES[step]}; UPDATE meta SET value = '{step + 1}' WHERE key = 'schema'; COMMIT"
        )


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the file has a table of this name; a file of an older version lacks some."""
    return bool(connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0])


def problems(connection: sqlite3.Connection, n_atoms: int) -> list[str]:
    """Look for damage; each finding is one sentence, none means sound."""
    found = [f"SQLite: {row[0]}." for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    dangling = connection.execute("PRAGMA foreign_key_check")
    found += [f"A row of {row[0]} points to a missing row of {row[2]}." for row in dangling]
    for table in NUMBERED.values():
        n, last = connection.execute(f"SELECT COUNT(*), COALESCE(MAX(id), -1) FROM {table}").fetchone()
        if last != n - 1:
            found.append(f"Table {table} has {n} rows, but its last number is {last}.")
    for table in ("minima", "violations", "transition_states", "verifications"):
        wrong = f"SELECT COUNT(*) FROM {table} WHERE LENGTH(positions) != ?"
        n = connection.execute(wrong, (24 * n_atoms,)).fetchone()[0]
        if n:
            found.append(f"{n} structures of table {table} do not have {n_atoms} atoms.")
    unvisited = """SELECT COUNT(*) FROM minima LEFT JOIN quenches ON quenches.id = minima.quench
                   WHERE quenches.minimum IS NOT minima.id"""
    n = connection.execute(unvisited).fetchone()[0]
    if n:
        found.append(f"{n} minima are not where the quench ended that is said to have found them.")
    below = """SELECT COUNT(*) FROM transition_states AS t JOIN minima AS m ON m.id IN (t.first, t.second)
               WHERE t.energy < m.energy"""
    n = connection.execute(below).fetchone()[0]
    if n:
        found.append(f"{n} times a transition state lies below a minimum that it leads to.")
    return found
