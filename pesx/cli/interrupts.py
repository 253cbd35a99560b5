"""The first SIGINT or SIGTERM ends a command in good order, the second at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def interrupts(stop: Callable[[], None], said: str) -> Iterator[list[int]]:
    """Call ``stop`` when the first signal comes, and raise when the second does; give the signals that came.

    Args:
        stop: Asks for an end; must be quick.
        said: What is told then.

    Raises:
        KeyboardInterrupt: A second signal came.
    """
    came: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        stop()
        # Printing may be what the signal came into, and does not bear a second time.
        with suppress(OSError):
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\npesx: {said}\n".encode())

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, old in before.items():
            signal.signal(number, old)


__all__ = ["interrupts"]
