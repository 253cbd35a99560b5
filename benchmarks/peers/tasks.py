"""What the three measured programs have in common: the network's size, the frames, and the clock.

Only NumPy is needed, because each program runs in an environment of its own. A program reads one task per line from its
standard input and writes one line of JSON for each to its standard output; so whoever asks decides the order, and the
programs can take turns. Tasks: ``describe``, ``check``, ``memory``, ``forces`` and ``train``; see :func:`serve`.
"""

import argparse
import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

CUTOFF = 5.0
NEIGHBOURS = 16.0
SIZES = {"features": 132, "n_layers": 3, "n_heads": 4, "degrees": (1, 2, 3), "n_radial": 32}
"""The network, without residual networks and norms; radial basis of Bernstein polynomials, PhysNet's cutoff function."""

STEP = 0.1
"""Of the finite difference, angstrom, summed over all atoms; in float32 a smaller one would drown in round-off."""


class Frames(NamedTuple):
    """Frames of one molecule: atomic numbers (N,), positions (B, N, 3), and labels in eV and eV/angstrom."""

    numbers: np.ndarray
    positions: np.ndarray
    energy: np.ndarray
    forces: np.ndarray


class Implementation(Protocol):
    """A program to be measured. What it prepares is not timed; what it returns is."""

    neighbours_timed: bool

    def describe(self) -> dict[str, Any]:
        """Return versions and numbers of weights: all, those kept per element, and those that have no effect.

        Idle are the spherical filters of a first layer, where the Euclidean variables are still zero.
        """
        ...

    def forces(self, frames: Frames) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        """Return a call that evaluates energies and forces of these frames."""
        ...

    def train(self, frames: Frames) -> Callable[[], float]:
        """Return a call that makes one optimiser step on these frames, all in one batch, and returns the loss."""
        ...


def directed_pairs(frames: Frames) -> np.ndarray:
    """Return both directions of every pair within the cutoff, all frames end to end, (2, P)."""
    n_atoms = len(frames.numbers)
    pairs = []
    for row, positions in enumerate(frames.positions):
        distance = np.linalg.norm(positions[:, None] - positions, axis=-1)
        near = (distance < CUTOFF) & ~np.eye(n_atoms, dtype=bool)
        pairs.append(np.stack(np.nonzero(near)) + row * n_atoms)
    return np.concatenate(pairs, axis=1)


def serve(make: Callable[[], Implementation]) -> None:
    """Answer tasks from standard input until it ends.

    A task is an object with ``task``, and further ``molecule`` and ``batch`` (the first so many frames) and ``seconds``
    (how long to measure).
    """
    parser = argparse.ArgumentParser(description="Answers the tasks of benchmarks/against_peers.py.")
    parser.add_argument("frames", type=Path, help="NPZ file with the molecules")
    stored = np.load(parser.parse_args().frames)
    answers = sys.stdout
    # Whatever the program prints must not come between the answers.
    with contextlib.redirect_stdout(sys.stderr):
        implementation = make()
        prepared: dict[tuple[str, str, int], Callable[[], Any]] = {}
        for line in sys.stdin:
            request = json.loads(line)
            answers.write(json.dumps(_answer(implementation, stored, prepared, request)) + "\n")
            answers.flush()


def _answer(
    implementation: Implementation,
    stored: dict[str, np.ndarray],
    prepared: dict[tuple[str, str, int], Callable[[], Any]],
    request: dict[str, Any],
) -> dict[str, Any]:
    task = request["task"]
    if task == "describe":
        return {**implementation.describe(), "neighbours_timed": implementation.neighbours_timed}
    molecule, batch = request["molecule"], request["batch"]
    arrays = [stored[f"{molecule}/{field}"] for field in Frames._fields]
    frames = Frames(arrays[0], *(array[:batch] for array in arrays[1:]))
    if task == "check":
        return check(implementation, frames)
    if task == "memory":
        return {"bytes": memory(implementation, frames)}
    key = (task, molecule, batch)
    if key not in prepared:
        prepared[key] = getattr(implementation, task)(frames)
        for _ in range(2):
            prepared[key]()
    return measure(prepared[key], request["seconds"], batch)


def measure(call: Callable[[], Any], seconds: float, batch: int) -> dict[str, Any]:
    """Return the median time per frame in ms: of the processor, all threads together, and of the wall clock."""
    processor, wall = [], []
    begin = time.perf_counter()
    while len(wall) < 3 or time.perf_counter() - begin < seconds:
        clocks = time.process_time(), time.perf_counter()
        call()
        processor.append(time.process_time() - clocks[0])
        wall.append(time.perf_counter() - clocks[1])
    return {
        "cpu_ms": 1e3 * float(np.median(processor)) / batch,
        "wall_ms": 1e3 * float(np.median(wall)) / batch,
        "calls": len(wall),
    }


def check(implementation: Implementation, frames: Frames) -> dict[str, Any]:
    """Compare the forces with differences of the energy along them; the molecules of a batch with themselves alone."""
    energy, forces = implementation.forces(frames)()
    length = np.linalg.norm(forces, axis=(1, 2), keepdims=True)
    ahead, behind = (
        implementation.forces(frames._replace(positions=frames.positions + sign * STEP * forces / length))()[0]
        for sign in (1.0, -1.0)
    )
    slope = (behind.astype(float) - ahead.astype(float)) / (2 * STEP)
    alone = implementation.forces(Frames(frames.numbers, *(array[:1] for array in frames[1:])))()
    return {
        "finite": bool(np.isfinite(energy).all() and np.isfinite(forces).all()),
        "slope_error": float(np.abs(slope / length[:, 0, 0] - 1).max()),
        "batch_error": float(np.abs(alone[1][0] - forces[0]).max() / np.abs(forces[0]).max()),
        "directed_pairs": directed_pairs(frames).shape[1] / len(frames.positions),
    }


def memory(implementation: Implementation, frames: Frames) -> int:
    """Return how far the resident memory rises above its level before, while the frames are evaluated for the first time.

    The same is done with a single frame before, so that what is loaded and compiled at the first use is not counted.
    """
    implementation.forces(Frames(frames.numbers, *(array[:1] for array in frames[1:])))()
    call = implementation.forces(frames)
    own = getattr(implementation, "memory", None)
    if own is not None:
        return int(own(frames))
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    call()
    return max(0, _resident("VmHWM") - before)


def _resident(name: str) -> int:
    """Return VmRSS or VmHWM in bytes; the greatest ever where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])
