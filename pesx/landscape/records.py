"""The tables of a run, column by column, as they are written to and read from its database."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pesx.typing import Float, Int, Tensor

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class StoredMinima:
    """Distinct minima, in the order of their numbers.

    Attributes:
        positions: Angstrom.
        energy: eV.
        fmax: Largest atomic force norm, eV/angstrom.
        lowest_curvature: Lowest eigenvalue of the Hessian, eV/angstrom^2; NaN where not computed.
        log_product: Sum of log(eigenvalue) of the mass-weighted Hessian, eV/(angstrom^2 u); NaN where not computed.
        quench: Number of the quench that found it first.
        visits: How many quenches ended there. Counted when read, not used when written.
        keys: Chemistry of each.
    """

    positions: Float[Tensor, "M N 3"]
    energy: Float[Tensor, "M"]
    fmax: Float[Tensor, "M"]
    lowest_curvature: Float[Tensor, "M"]
    log_product: Float[Tensor, "M"]
    quench: Int[Tensor, "M"]
    visits: Int[Tensor, "M"]
    keys: list[str]

    def __len__(self) -> int:
        return len(self.energy)


@dataclass(frozen=True)
class Quenches:
    """Every quench of a run, one numpy array per column, in the order of their numbers.

    Attributes:
        walker: Whose.
        hop: Which hop of that walker.
        move: Name of the move that proposed the start.
        outcome: :class:`~pesx.outcome.Outcome` codes.
        energy: Where it ended, eV; NaN where it has none.
        n_evaluations: Force evaluations spent.
        minimum: Number of the minimum it ended in, -1 for none.
        started_from: Number of the minimum the move started from, -1 for none.
        is_accepted: Whether the walker went there.
    """

    walker: Array
    hop: Array
    move: Array
    outcome: Array
    energy: Array
    n_evaluations: Array
    minimum: Array
    started_from: Array
    is_accepted: Array

    def __len__(self) -> int:
        return len(self.walker)


@dataclass(frozen=True)
class Violations:
    """Structures outside the chemistry of the molecule, kept as evidence about the potential.

    Attributes:
        quench: Number of the quench that ended there.
        outcome: Which rule was broken, :class:`~pesx.outcome.Outcome` codes.
        energy: eV.
        positions: Angstrom.
    """

    quench: Int[Tensor, "V"]
    outcome: Int[Tensor, "V"]
    energy: Float[Tensor, "V"]
    positions: Float[Tensor, "V N 3"]

    def __len__(self) -> int:
        return len(self.energy)
