"""Correlated structures: Langevin dynamics and relaxation paths, on any function that gives energy and forces."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from scipy.optimize import fmin_l_bfgs_b

from pesx.engines.engine import Evaluate, FloatArray
from pesx.units import ACCELERATION, BOLTZMANN

Point = tuple[FloatArray, float, FloatArray]
"""Positions (angstrom), energy (eV), forces (eV/angstrom)."""

_FACTR = 4500.0
"""SciPy's stop on small progress, in units of round-off: 1e-12 eV, so that the forces decide."""


def langevin(
    evaluate: Evaluate,
    positions: FloatArray,
    masses: FloatArray,
    *,
    temperature: float,
    timestep: float,
    friction: float,
    rng: Generator,
) -> Iterator[Point]:
    """Yield every step of Langevin dynamics from thermal velocities, without end (BAOAB splitting).

    Args:
        evaluate: Energy and forces of positions.
        positions: Where to start, angstrom.
        masses: u.
        temperature: K.
        timestep: fs; 1 is stable for molecules with hydrogen.
        friction: 1/fs.
        rng: Source of velocities and noise.

    Source: Leimkuhler and Matthews 2013, doi:10.1063/1.4802990.
    """
    thermal = np.sqrt(BOLTZMANN * temperature * ACCELERATION / masses)[:, None]
    kick = 0.5 * timestep * ACCELERATION / masses[:, None]
    keep = np.exp(-friction * timestep)
    velocities = thermal * rng.standard_normal(positions.shape)
    _, forces = evaluate(positions)
    while True:
        velocities = velocities + kick * forces
        positions = positions + 0.5 * timestep * velocities
        velocities = keep * velocities + np.sqrt(1.0 - keep**2) * thermal * rng.standard_normal(positions.shape)
        positions = positions + 0.5 * timestep * velocities
        energy, forces = evaluate(positions)
        velocities = velocities + kick * forces
        yield positions, energy, forces


def relaxation(evaluate: Evaluate, positions: FloatArray, *, force_limit: float, max_steps: int) -> list[Point]:
    """Return every point that L-BFGS visits on its way to a minimum, the best one last.

    Args:
        evaluate: Energy and forces of positions.
        positions: Where to start, angstrom.
        force_limit: Stop when no force component exceeds this, eV/angstrom.
        max_steps: Stop after this many steps.

    Source: Liu and Nocedal 1989, doi:10.1007/BF01589116.
    """
    path: list[Point] = []

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        at = flat.reshape(-1, 3).copy()
        energy, forces = evaluate(at)
        path.append((at, energy, forces))
        # Relative to the start, because SciPy judges progress relative to the size of the energy.
        return energy - path[0][1], -forces.ravel()

    fmin_l_bfgs_b(
        objective, positions.ravel(), pgtol=force_limit, factr=_FACTR, maxiter=max_steps, maxfun=2 * max_steps
    )
    best = min(range(len(path)), key=lambda index: path[index][1])
    path.append(path.pop(best))
    return path


def thin(path: list[Point], n_points: int) -> list[Point]:
    """Return some points of a relaxation, dense where it moves most (at its beginning), with the first and last."""
    if len(path) <= n_points:
        return path
    chosen = np.unique(np.round(np.geomspace(1, len(path), n_points)).astype(int)) - 1
    return [path[index] for index in chosen]


def every(points: Iterator[Point], *, skip: int, interval: int, n_points: int) -> Iterator[Point]:
    """Yield ``n_points`` of a trajectory, one in ``interval``, after the first ``skip``."""
    for _ in range(skip):
        next(points)
    for _ in range(n_points):
        for _ in range(interval - 1):
            next(points)
        yield next(points)


__all__ = ["Point", "every", "langevin", "relaxation", "thin"]
