import os
import signal
import threading

import pytest

from pesx.cli.interrupts import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_an_end_and_the_second_raises(number: int) -> None:
    before = signal.getsignal(number)
    stops: list[int] = []
    seen: list[int] = []

    def interrupted() -> None:
        with interrupts(lambda: stops.append(1), "stopping.") as came:
            os.kill(os.getpid(), number)
            seen.extend([*came, len(stops)])
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen == [number, 1]
    assert stops == [1]
    assert signal.getsignal(number) is before


def test_in_another_thread_signals_are_left_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def inside() -> None:
        with interrupts(lambda: None, "stopping."):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]
