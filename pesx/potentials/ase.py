"""Reference engines and ASE calculators as potentials: slow, exact, for validation and for small molecules."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch

from pesx.engines.ase import AseEngine
from pesx.engines.engine import Engine, IntArray
from pesx.engines.pool import EnginePool, Label, Structure
from pesx.errors import InputError
from pesx.state import Evaluation
from pesx.typing import Int, Positions, Tensor


class AsePotential:
    """Energies and forces of one molecule from an engine or an ASE calculator, in worker processes.

    Args:
        engine: A reference engine; or a picklable callable without arguments that makes an ASE calculator, or its place
            as ``module:attribute``.
        numbers: Atomic numbers.
        charge: Total charge, e.
        multiplicity: 2S+1.
        n_workers: Processes, one thread each. They start with the first call and end with :meth:`close`, with the
            context, or with the program.

    Every row is evaluated from scratch and depends on itself alone. Energies are float64 whatever the positions are,
    because a total energy of thousands of eV has no meV left in float32; forces have the dtype of the positions. A
    refused structure is a row of NaN.
    """

    def __init__(
        self,
        engine: Engine | str | Callable[[], Any],
        numbers: IntArray | Int[Tensor, "N"],
        *,
        charge: int = 0,
        multiplicity: int = 1,
        n_workers: int = 1,
    ) -> None:
        self.engine = engine if isinstance(engine, Engine) else AseEngine(engine)
        self._numbers = np.asarray(numbers, dtype=np.int64)
        self._charge = charge
        self._multiplicity = multiplicity
        self._pool = EnginePool(self.engine, n_workers=n_workers)

    def __call__(self, positions: Positions) -> Evaluation:
        """Evaluate positions (angstrom): energies in eV, forces in eV/angstrom, NaN where refused."""
        if positions.ndim != 3 or tuple(positions.shape[1:]) != (self._numbers.size, 3):
            raise InputError(
                f"Expected positions of shape (B, {self._numbers.size}, 3), came {tuple(positions.shape)}."
            )
        rows = positions.detach().to("cpu", torch.float64).numpy()
        energy = np.full(len(rows), np.nan)
        forces = np.full(rows.shape, np.nan)
        structures = (Structure(self._numbers, row, self._charge, self._multiplicity) for row in rows)
        for index, result in self._pool.as_completed(structures):
            if isinstance(result, Label):
                energy[index] = result.energy
                forces[index] = result.forces
        return Evaluation(
            torch.from_numpy(energy).to(positions.device),
            torch.from_numpy(forces).to(positions.device, positions.dtype),
        )

    def close(self) -> None:
        """End the worker processes."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


__all__ = ["AsePotential"]
