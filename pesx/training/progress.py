"""What a training run says while it runs: a line on stderr, and every measurement as one line of JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LINE_EVERY_S = 60.0
"""Time between lines where stderr is not a terminal, s."""


class Reporter:
    """Shows progress on stderr and appends measurements to a file.

    Args:
        curves: File of JSON lines.
        step: Of the state that training continues from; later lines of an interrupted run are dropped.
    """

    def __init__(self, curves: Path, step: int) -> None:
        self._curves = curves
        self._forget_after(step)
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("step {task.fields[step]}"),
                BarColumn(),
                TextColumn("{task.fields[left]} left  {task.fields[errors]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("train", total=1.0, step=step, left="?", errors="")
        self._errors = ""
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar:
            self._bar.stop()

    def step(self, step: int, done: float, elapsed: float) -> None:
        """Show where the training stands; ``done`` is its fraction, ``elapsed`` in s."""
        left = time.strftime("%H:%M:%S", time.gmtime(elapsed * (1 - done) / done)) if done > 0 else "?"
        if self._bar:
            self._bar.update(self._task, completed=done, step=step, left=left, errors=self._errors)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_S
            self.say(f"step {step}, {left} left{self._errors and ', ' + self._errors}")

    def measured(self, record: dict[str, Any]) -> None:
        """Store one measurement and show its errors from now on."""
        with self._curves.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        parts = [f"loss {record['train_loss']:.4f}"]
        if record["force_mae"] is not None:
            parts.append(f"validation forces {record['force_mae']:.1f} meV/angstrom")
        if record["energy_mae"] is not None:
            parts.append(f"energy {record['energy_mae']:.2f} kcal/mol")
        self._errors = ", ".join(parts)

    def say(self, sentence: str) -> None:
        """Print one line on stderr."""
        if self._bar:
            self._bar.console.print(sentence)
        else:
            print(sentence, file=sys.stderr, flush=True)

    def _forget_after(self, step: int) -> None:
        if not self._curves.exists():
            return
        lines = self._curves.read_text(encoding="utf-8").splitlines(keepends=True)
        complete = [line for line in lines if line.endswith("}\n")]
        self._curves.write_text(
            "".join(line for line in complete if json.loads(line)["step"] <= step), encoding="utf-8"
        )
