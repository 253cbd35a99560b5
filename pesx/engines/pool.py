"""Many structures through one engine, in parallel."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

from pesx.engines.engine import Engine, FloatArray, IntArray
from pesx.engines.workers import Failed, Refused, WorkPool


@dataclass(frozen=True)
class Structure:
    """A structure to evaluate.

    Attributes:
        numbers: Atomic numbers.
        positions: Angstrom, (N, 3).
        charge: Total charge, e.
        multiplicity: 2S+1.
    """

    numbers: IntArray
    positions: FloatArray
    charge: int = 0
    multiplicity: int = 1


@dataclass(frozen=True)
class Label:
    """What an engine said about a structure.

    Attributes:
        energy: eV.
        forces: Minus the gradient of the energy, eV/angstrom, (N, 3).
    """

    energy: float
    forces: FloatArray


def _evaluator(engine: Engine) -> Callable[[Structure], Label]:
    def evaluate(structure: Structure) -> Label:
        energy, forces = engine.evaluate(
            structure.numbers, structure.positions, charge=structure.charge, multiplicity=structure.multiplicity
        )
        return Label(energy, forces)

    return evaluate


class EnginePool:
    """Worker processes that evaluate structures of any molecules with one engine.

    Args:
        engine: What to evaluate with.
        n_workers: Number of processes, one thread each.

    Every structure is evaluated from scratch, so results do not depend on their order or on the number of workers.
    """

    def __init__(self, engine: Engine, *, n_workers: int = 1) -> None:
        self._pool = WorkPool(partial(_evaluator, engine), n_workers=n_workers, environment=engine.environment())

    def as_completed(self, structures: Iterable[Structure]) -> Iterator[tuple[int, Label | Refused | Failed]]:
        """Yield (number of the structure, label or why there is none) as soon as each is there.

        Raises:
            InputError: The engine can evaluate no structure of this kind.
        """
        return self._pool.run(structures)

    def close(self) -> None:
        """End the workers."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


__all__ = ["EnginePool", "Label", "Structure"]
