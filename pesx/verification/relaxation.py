"""Structures of one molecule relaxed with a reference engine, each from its start to its end in one worker process.

Along one relaxation every evaluation restarts from the one before, which an engine is much faster at than from scratch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import nan

import numpy as np
import torch

from pesx.config import require
from pesx.engines.engine import Engine, FloatArray
from pesx.engines.workers import Failed, Refused, WorkPool
from pesx.errors import EngineError
from pesx.landscape.rows import molecule_from_text, molecule_to_text
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.preconditioned import PreconditionedLbfgs
from pesx.relax.quench import Convergence, quench
from pesx.state import Evaluation
from pesx.typing import Positions


@dataclass(frozen=True)
class Relaxation:
    """When a relaxation is done.

    Attributes:
        fmax: Converged when no atomic force is larger, eV/angstrom.
        max_steps: Calls of the engine after which it is given up.
    """

    fmax: float = 0.005
    max_steps: int = 500

    def __post_init__(self) -> None:
        require(self, above_zero=["fmax"], at_least_one=["max_steps"])


@dataclass(frozen=True)
class Relaxed:
    """Where one relaxation ended.

    Attributes:
        outcome: CONVERGED, or why not; chemistry is not looked at.
        unrelaxed_energy: At the start, eV; NaN where the engine refused.
        energy: At the end, eV; NaN where the engine refused.
        positions: The end, angstrom, (N, 3).
        n_evaluations: Calls of the engine.
    """

    outcome: Outcome
    unrelaxed_energy: float
    energy: float
    positions: FloatArray
    n_evaluations: int


def relax_each(
    molecule: Molecule, starts: Positions, engine: Engine, *, settings: Relaxation, n_workers: int = 1
) -> Iterator[tuple[int, Relaxed | Failed]]:
    """Yield (row, where it ended) of each structure as soon as it is there, or why it has no end this time.

    Args:
        molecule: What they are structures of; with bonds.
        starts: Angstrom.
        engine: What relaxes them.
        settings: When a relaxation is done.
        n_workers: Processes, one thread each.

    Raises:
        InputError: The engine cannot have this molecule, or its program is not installed.
        EngineError: Workers die before they can begin.
    """
    setup = partial(_relaxer, engine, molecule_to_text(molecule), settings)
    tasks = (start.numpy() for start in starts.detach().cpu().double())
    pool: WorkPool[FloatArray, Relaxed] = WorkPool(setup, n_workers=n_workers, environment=engine.environment())
    with pool:
        for row, result in pool.run(tasks):
            yield row, Failed(result.reason) if isinstance(result, Refused) else result


def _relaxer(engine: Engine, molecule_text: str, settings: Relaxation) -> Callable[[FloatArray], Relaxed]:
    """Return what relaxes one structure; called in every worker."""
    molecule = molecule_from_text(molecule_text)
    stepper = PreconditionedLbfgs(ModelHessian.for_descent(molecule))
    convergence = Convergence(fmax=settings.fmax, max_steps=settings.max_steps)

    def relax(start: FloatArray) -> Relaxed:
        surface = _Surface(engine, molecule)
        # An engine call costs far more than a look at the forces.
        end = quench(stepper, surface, torch.from_numpy(start)[None], convergence=convergence, check_every=1)
        return Relaxed(
            outcome=Outcome(int(end.outcome[0])),
            unrelaxed_energy=surface.first_energy,
            energy=float(end.energy[0]),
            positions=end.positions[0].numpy(),
            n_evaluations=int(end.n_evaluations[0]),
        )

    return relax


class _Surface:
    """An engine bound to a molecule, as a potential of one replica that is followed along its way."""

    def __init__(self, engine: Engine, molecule: Molecule) -> None:
        self._evaluate = engine.bind(
            np.asarray(molecule.numbers, dtype=np.int64), charge=molecule.charge, multiplicity=molecule.multiplicity
        )
        self._is_first = True
        self.first_energy = nan

    def __call__(self, positions: Positions) -> Evaluation:
        try:
            energy, forces = self._evaluate(positions[0].numpy())
        except EngineError:
            energy, forces = nan, np.full(tuple(positions.shape[1:]), nan)
        if self._is_first:
            self._is_first, self.first_energy = False, energy
        return Evaluation(torch.tensor([energy], dtype=torch.float64), torch.from_numpy(np.asarray(forces))[None])


__all__ = ["Relaxation", "Relaxed", "relax_each"]
