"""Entry point: parse, call the command, and turn every failure into one message and an exit code."""

import signal
import sqlite3
import tempfile
import threading
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from pesx.cli.parser import parse
from pesx.cli.streams import put, say
from pesx.errors import CheckpointError, ContractError, InputError, MissingExtraError, PesxError
from pesx.versions import version_of

FAILED = 1
WRONG_CALL = 2
BY_SIGNAL = 128
"""Added to the number of the signal that ended the command."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came; commands end as they do after Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong call, 128 and a number by that signal.

    Args:
        argv: Arguments without the name of the program; those of the process where None.
    """
    arguments = Namespace()
    try:
        with _terminations():
            arguments = parse(argv)
            if arguments.version:
                put(f"pesx {version_of('pesx')}")
                return 0
            code: int = import_module(f"pesx.cli.{arguments.command}").run(arguments)
            return code
    except SystemExit as leave:  # --help
        return int(leave.code or 0)
    except KeyboardInterrupt as interrupt:
        number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
        say("pesx: stopped. What was stored before is intact.")
        return BY_SIGNAL + number
    except (InputError, CheckpointError, ContractError, MissingExtraError) as error:
        return _fail(str(error), WRONG_CALL)
    except PesxError as error:
        return _fail(str(error), FAILED)
    except Exception as error:
        return _fail(_known(error) or _unknown(error, arguments), FAILED)


def _fail(message: str, code: int) -> int:
    say(f"pesx: error: {message}")
    return code


def _known(error: Exception) -> str:
    """Return the message for a failure of the machine, empty for anything else."""
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower() or "allocate memory" in str(error):
        return (
            "Expected more memory than this machine has left. What was stored before is intact: free some memory, or ask "
            "for fewer --replicas."
        )
    if isinstance(error, sqlite3.Error):
        return (
            f"Expected a database that can be used; SQLite says: {error}. What was stored before is intact: check disk."
        )
    if isinstance(error, OSError):
        place = f" {error.filename}" if error.filename else ""
        return (
            f"Expected the system to read or write{place}; it says: {error.strerror or error}. What was stored before is "
            "intact: check path, space and permissions."
        )
    return ""


def _unknown(error: Exception, arguments: Namespace) -> str:
    """Put the traceback into a file, and return a message that names it."""
    text = "".join(traceback.format_exception(error))
    asked = getattr(arguments, "out", None) or getattr(arguments, "run", None)
    places = [Path(asked)] if asked and Path(asked).is_dir() else []
    where = "could not be stored"
    for folder in [*places, Path(tempfile.gettempdir())]:
        try:
            with tempfile.NamedTemporaryFile(
                "w", dir=folder, prefix="pesx-error-", suffix=".txt", delete=False, encoding="utf-8"
            ) as file:
                file.write(text)
            where = f"is in {file.name}"
            break
        except OSError:
            continue
    return f"This is a bug in pesx ({type(error).__name__}). The traceback {where}: please report it."


@contextmanager
def _terminations() -> Iterator[None]:
    """Let SIGTERM unwind the command as Ctrl-C does, so that workers end and files are closed."""

    def terminate(*_: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
