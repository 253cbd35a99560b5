"""Who may write where: data to stdout, everything else to stderr."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


def say(text: str) -> None:
    """Print one message to stderr."""
    print(text, file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Print data to stdout; a reader that has gone, such as ``head``, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is still buffered would raise once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def clean_stdout() -> Iterator[None]:
    """Send to stderr whatever libraries print to stdout meanwhile, compiled ones and worker processes too."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        with suppress(OSError):
            sys.stderr.flush()
        os.dup2(kept, 1)
        os.close(kept)
