"""The roles a user can fill. Nothing has to be inherited: any object with these methods will do."""

from dataclasses import Field
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from pesx.state import Evaluation
from pesx.streams import Streams
from pesx.typing import Fingerprints, Index, PerReplica, Positions


@runtime_checkable
class Potential(Protocol):
    """Energies and forces of replicas of the one molecule it is bound to.

    The result is on the device of the positions, and the forces have their dtype, which is how a caller chooses the
    precision. Energies are float64 whatever the positions are, because a total energy of thousands of eV in float32 cannot
    resolve 0.1 meV; only where energies are small, as in reduced units, may they have the dtype of the positions. Every row
    must depend on its own positions alone. A row that cannot be evaluated comes back as NaN; only a call that is wrong as a
    whole raises.
    """

    def __call__(self, positions: Positions) -> Evaluation:
        """Evaluate positions (angstrom): energies in eV, forces in eV/angstrom in the positions' dtype."""
        ...


@runtime_checkable
class StepperState(Protocol):
    """State of a stepper: a dataclass of tensors with the replica as first axis, and at least these."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def positions(self) -> Positions:
        """Where the next evaluation is wanted, angstrom."""
        ...


S = TypeVar("S", bound=StepperState)


@runtime_checkable
class Stepper(Protocol[S]):
    """Anything that moves replicas along one evaluation at a time: a relaxer, an integrator.

    It never calls the potential: it is told an evaluation and says where it wants the next one. So replicas in different
    phases share one batched evaluation. Settings are its fields; the state is separate.
    """

    def init(self, positions: Positions) -> S:
        """Return the state of replicas that start at these positions."""
        ...

    def step(self, state: S, now: Evaluation) -> S:
        """Return the next state, given the evaluation at ``state.positions``."""
        ...


@runtime_checkable
class Move(Protocol):
    """A proposal: from minima to positions to quench."""

    def __call__(self, positions: Positions, scale: PerReplica, streams: Streams) -> Positions:
        """Return displaced positions, angstrom; ``scale`` (1 is the move's own default) multiplies the step."""
        ...


@runtime_checkable
class Identity(Protocol):
    """Says when two structures are the same minimum."""

    def fingerprint(self, positions: Positions) -> Fingerprints:
        """Return numbers that are equal for equal structures, whatever their orientation and atom order; angstrom."""
        ...

    def distance(self, a: Positions, b: Positions) -> PerReplica:
        """Return the least RMSD of each pair over rotations and allowed permutations, angstrom."""
        ...


@runtime_checkable
class Guard(Protocol):
    """Says whether structures still are the molecule that was asked about."""

    def outcome(self, positions: Positions) -> Index:
        """Return CONVERGED, or the code of the first violation, per replica."""
        ...

    def keys(self, positions: Positions) -> list[str]:
        """Return the chemistry of each replica as a short text; structures with different keys are never the same."""
        ...
