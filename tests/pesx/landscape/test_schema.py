import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pesx.errors import RunFolderError
from pesx.landscape import schema


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / schema.FILE_NAME


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    opened = schema.connect(path, is_writer=True)
    schema.create_tables(opened, {"who": "me"})
    yield opened
    opened.close()


def test_a_new_file_is_a_sound_empty_run_of_this_version(connection: sqlite3.Connection, path: Path) -> None:
    assert schema.has_tables(connection)
    schema.check_version(connection, path, is_writer=False)
    assert schema.problems(connection, 3) == []
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    assert meta == {"who": "me", "schema": str(schema.SCHEMA_VERSION)}


def test_nothing_is_there_before(path: Path) -> None:
    with schema.connect(path, is_writer=True) as opened:
        assert not schema.has_tables(opened)
    opened.close()


def test_every_older_version_can_be_brought_up_to_date() -> None:
    assert sorted(schema._UPGRADES) == list(range(1, schema.SCHEMA_VERSION))


def test_another_database_is_no_run(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        with pytest.raises(RunFolderError, match="another database"):
            schema.check_version(other, path, is_writer=True)
    other.close()


@pytest.mark.usefixtures("connection")
def test_a_reader_cannot_write(path: Path) -> None:
    reader = schema.connect(path, is_writer=False)
    with pytest.raises(sqlite3.OperationalError) as error:
        reader.execute("DELETE FROM meta")
    reader.close()
    assert "cannot be written" in str(schema.failure(path, error.value))


def test_the_lock_has_one_holder_until_it_is_closed(tmp_path: Path) -> None:
    first = schema.take_lock(tmp_path)
    with pytest.raises(RunFolderError, match="only writer"):
        schema.take_lock(tmp_path)
    first.close()
    schema.take_lock(tmp_path).close()


def test_folding_leaves_one_file(connection: sqlite3.Connection, path: Path) -> None:
    assert path.with_name(path.name + "-wal").exists()
    schema.fold(connection)
    assert not path.with_name(path.name + "-wal").exists()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_FULL, "free some space"),
        (sqlite3.SQLITE_IOERR_WRITE, "check the disk"),
        (sqlite3.SQLITE_CORRUPT, "Restore it"),
        (sqlite3.SQLITE_CANTOPEN, "permissions"),
        (sqlite3.SQLITE_BUSY, "Wait"),
        (sqlite3.SQLITE_CONSTRAINT, "refused"),
    ],
)
def test_every_failure_says_what_to_do(code: int, advice: str, path: Path) -> None:
    error = sqlite3.OperationalError("the text of SQLite")
    error.sqlite_errorcode = code
    message = str(schema.failure(path, error))
    assert advice in message
    assert str(path) in message
    assert "the text of SQLite" in message


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("INSERT INTO violations VALUES (7, 5, 0.0, x'00')", "do not have 3 atoms"),
        ("INSERT INTO violations VALUES (7, 5, 0.0, zeroblob(72))", "points to a missing row of quenches"),
        ("INSERT INTO quenches VALUES (4, 0, 0, 'seed', 1, 0.0, 1, NULL, NULL, 0)", "last number is 4"),
        ("INSERT INTO minima VALUES (0, 0.0, 0.0, 0.0, 0.0, '', zeroblob(72), 0)", "not where the quench ended"),
    ],
)
def test_damage_is_said_in_a_sentence(connection: sqlite3.Connection, damage: str, finding: str) -> None:
    connection.execute(damage)
    assert any(finding in sentence for sentence in schema.problems(connection, 3))
