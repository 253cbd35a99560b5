"""Time spent in chosen functions of a library, without changing it; part of ``against_ase.py``."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, Self


class Stopwatch:
    """Context in which calls of some methods are timed; what one of them spends in another counts for the other alone.

    Args:
        watched: Class, name of the method, and the label its time goes to.
        whole: Labels that keep what their calls spend in others.
        wait: Called before each look at the clock, for devices that work on by themselves.

    Attributes:
        seconds: By label.
    """

    def __init__(
        self,
        watched: Sequence[tuple[type, str, str]],
        *,
        whole: Sequence[str] = (),
        wait: Callable[[], object] = lambda: None,
    ) -> None:
        self.seconds: dict[str, float] = {}
        self._watched, self._whole, self._wait = watched, whole, wait
        self._is_in_whole = False
        self._plain: list[tuple[type, str, Callable[..., Any]]] = []
        self._inner: list[float] = []

    def __enter__(self) -> Self:
        for owner, name, label in self._watched:
            plain = getattr(owner, name)
            self._plain.append((owner, name, plain))
            setattr(owner, name, self._timed(plain, label))
        return self

    def __exit__(self, *exception: object) -> None:
        for owner, name, plain in self._plain:
            setattr(owner, name, plain)

    def _timed(self, plain: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(plain)
        def timed(*args: Any, **options: Any) -> Any:
            if self._is_in_whole:
                return plain(*args, **options)
            self._is_in_whole = label in self._whole
            self._wait()
            begin = time.perf_counter()
            self._inner.append(0.0)
            try:
                return plain(*args, **options)
            finally:
                self._wait()
                self._is_in_whole = False
                took = time.perf_counter() - begin
                self.seconds[label] = self.seconds.get(label, 0.0) + took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return timed
