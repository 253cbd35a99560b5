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
        visits: How many quenches of walkers ended there. Counted when read, not used when written.
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


@dataclass(frozen=True)
class StoredTransitionStates:
    """Distinct transition states, in the order of their numbers.

    Attributes:
        positions: Angstrom.
        energy: eV.
        fmax: Largest atomic force norm, eV/angstrom.
        curvature: The one negative eigenvalue of the Hessian, eV/angstrom^2.
        log_product: Sum of log(eigenvalue) of the positive eigenvalues of the mass-weighted Hessian, eV/(angstrom^2 u); NaN
            where not computed.
        first: Number of the minimum below it on one side.
        second: Number of the minimum on the other; the same number where it rearranges one minimum onto itself.
        search: Number of the search that found it first.
        keys: Chemistry of each.
    """

    positions: Float[Tensor, "T N 3"]
    energy: Float[Tensor, "T"]
    fmax: Float[Tensor, "T"]
    curvature: Float[Tensor, "T"]
    log_product: Float[Tensor, "T"]
    first: Int[Tensor, "T"]
    second: Int[Tensor, "T"]
    search: Int[Tensor, "T"]
    keys: list[str]

    def __len__(self) -> int:
        return len(self.energy)


@dataclass(frozen=True)
class Connections:
    """Every pair of minima that was tried to be joined, one numpy array per column, in the order of their numbers.

    Attributes:
        first: Number of one minimum.
        second: Number of the other.
        reason: Why this pair: ``hop``, ``near`` or ``missing``.
        outcome: What became of the path between them, :class:`~pesx.outcome.Outcome` codes.
        n_maxima: Maxima of the path, from each of which a transition state is searched; with fewer searches the connection was
            interrupted.
        n_evaluations: Force evaluations spent on the path.
    """

    first: Array
    second: Array
    reason: Array
    outcome: Array
    n_maxima: Array
    n_evaluations: Array

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Searches:
    """Every search for a transition state, one numpy array per column, in the order of their numbers.

    Attributes:
        connection: Number of the connection whose path it started on.
        outcome: :class:`~pesx.outcome.Outcome` codes; ``CONVERGED`` for a verified transition state, known or new.
        energy: Where it ended, eV; NaN where it has none.
        n_evaluations: Force evaluations spent, those down both sides among them.
        transition_state: Number of the transition state it ended in, -1 for none.
    """

    connection: Array
    outcome: Array
    energy: Array
    n_evaluations: Array
    transition_state: Array

    def __len__(self) -> int:
        return len(self.connection)


@dataclass(frozen=True)
class Verifications:
    """Minima relaxed further with a reference engine, in the order of minima and levels.

    Attributes:
        minimum: Number of the minimum.
        level: Level of theory.
        outcome: :class:`~pesx.outcome.Outcome` codes of the relaxation.
        unrelaxed_energy: Of the engine at the minimum as it was found, eV; NaN where it failed.
        energy: Of the engine where the relaxation ended, eV; NaN where it failed.
        rmsd: How far that is from the minimum, over allowed permutations, angstrom; NaN where the chemistry is another.
        heavy_rmsd: The same without hydrogen, angstrom.
        n_evaluations: Calls of the engine.
        positions: Where the relaxation ended, angstrom.
    """

    minimum: Array
    level: Array
    outcome: Array
    unrelaxed_energy: Array
    energy: Array
    rmsd: Array
    heavy_rmsd: Array
    n_evaluations: Array
    positions: Float[Tensor, "V N 3"]

    def __len__(self) -> int:
        return len(self.minimum)
